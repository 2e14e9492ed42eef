"""The form for new content, in the settings."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile

from knowledge import files
from knowledge.errors import FileRefused
from knowledge.models import Source
from knowledge.policies import WRITTEN

MOST_FILES = 20
MOST_BYTES = 30 * 1024 * 1024  # together: a larger request is refused before there is a form (builtabot/asgi.py)
MOST_CHARACTERS = 200_000  # of a text, which is read ahead of everybody's pages
TOO_MUCH = f"Together the files may have at most {MOST_BYTES // 1024**2} MB. Add the others after these."


class ManyFiles(forms.FileInput):
    """Chooses several files, or takes those that are dropped on it, which browsers do by themselves."""

    allow_multiple_selected = True

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[UploadedFile[Any]]:
        return list(files.getlist(name))


class FilesField(forms.Field):
    """Uploaded files, each looked into: its ending and its first bytes must say the same, and it must be small
    enough. One bad file refuses them all, and every bad one is named."""

    widget = ManyFiles(
        attrs={
            "class": "bab-drop",
            "multiple": True,
            "accept": ",".join(files.ENDINGS),
            "data-most-bytes": MOST_BYTES,
            "data-too-much": TOO_MUCH,
        }
    )

    def has_changed(self, initial: Any, data: list[UploadedFile[Any]] | None) -> bool:
        return bool(data)

    def clean(self, value: list[UploadedFile[Any]]) -> list[UploadedFile[Any]]:
        uploads = super().clean(value) or []
        if len(uploads) > MOST_FILES:
            raise ValidationError(f"At most {MOST_FILES} files at a time.")
        if sum(upload.size or 0 for upload in uploads) > MOST_BYTES:
            raise ValidationError(TOO_MUCH)
        told = [sentence for upload in uploads if (sentence := _refusal(upload))]
        if told:
            raise ValidationError(told)
        return list(uploads)


def _refusal(upload: UploadedFile[Any]) -> str:
    head = upload.read(files.HEAD_BYTES)
    upload.seek(0)
    try:
        files.type_of(upload.name or "", head=head, size_bytes=upload.size or 0)
    except FileRefused as refusal:
        return refusal.sentence
    return ""


class SourceForm(forms.ModelForm[Source]):
    """New content: an address to read, files, or a text to keep."""

    uploads = FilesField(
        required=False,
        label="Files",
        help_text="Choose them or drop them here: PDF, text, Markdown or HTML, up to 20 at once, 20 MB each and "
        "30 MB together. They are published: visitors can open a file that an answer quotes.",
    )

    class Meta:
        model = Source
        fields = ("project", "kind", "url", "name", "text", "prompted_by")
        widgets = {"prompted_by": forms.HiddenInput}
        labels = {"url": "Address"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "kind" in self.fields:
            kinds = [(kind.value, kind.label) for kind in Source.Kind]
            cast(forms.ChoiceField, self.fields["kind"]).choices = kinds
            name = self.fields["name"]
            name.help_text = "The question, as visitors ask it; for everything else a name of your own, if you like."
        elif self.instance.kind == Source.Kind.FILE:
            self.fields["uploads"].label = "Newer file"
            self.fields["uploads"].help_text = "Replaces the file. The old one answers until the new one has been read."
            self.fields["uploads"].widget.attrs["multiple"] = False

    def clean(self) -> dict[str, Any]:
        """Each kind needs its own field, and says which."""
        found = super().clean() or {}
        kind = found.get("kind", self.instance.kind)
        if kind in WRITTEN:
            if not found.get("text", "").strip():
                self.add_error("text", "Write the text that answers.")
            if len(found.get("text", "")) > MOST_CHARACTERS:
                self.add_error("text", f"A text may have at most {MOST_CHARACTERS:,} characters. Upload it as a file.")
            if kind == Source.Kind.FAQ and not found.get("name", "").strip():
                self.add_error("name", "Write the question that this answers.")
        elif kind == Source.Kind.FILE:
            if "kind" in self.fields and not found.get("uploads") and "uploads" not in self.errors:
                self.add_error("uploads", "Choose a file, or drop one here.")
        elif "url" in self.fields and not found.get("url"):
            self.add_error("url", "Write the address to start from, like https://help.shop.example/")
        return found
