"""The demo's invented customer: Acme Lampworks, a lamp shop in Cork, with its help centre.

`site.respond` serves it; `content/` holds the help pages, one Markdown file each; `manual/` holds the PDF
booklet and the HTML it was printed from; `questions.jsonl` holds questions about the content, for smoke
checks, with the page paths that answer each one (none: the content does not answer it).

Deliberately missing from the content, so that knowledge gaps can appear:

- a return after the 30 days when the lamp was a present
- repair or assembly at the customer's home
- voice assistants and other makers' apps with the Beacon hub
- jobs and apprenticeships at the workshop
- selling lamps by instalments longer than Klarna's 30 days
- a loyalty programme or points
- animals and children: pet safety, tip-over, nursery use
- renting lamps for a wedding or a film
- the energy label and the yearly electricity cost of each lamp
- delivery to Brazil, India and other countries outside the table, by name
- the Whiddy's clamp or wall mount; matching sconces for models that are not sold any more
- changing the language of the app
"""
