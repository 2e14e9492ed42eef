# The commands of this project; README.md says what they do. PYTHON= names another Python, PORT= other ports.
PYTHON ?= python3
BOOTSTRAP = $(PYTHON) builtabot/embedded/bootstrap.py
IN_VENV = .venv/bin/python
APPS = builtabot tenants knowledge chat livesupport insights

.PHONY: demo test check screenshots faults faults-mutants

# Each line execs its program, so that a signal to make reaches the program itself and nothing is left.
demo:
	@exec $(BOOTSTRAP)
	@exec $(IN_VENV) -m builtabot.embedded.supervisor

test:
	@exec $(BOOTSTRAP) --dev --browser
	@exec $(IN_VENV) -m pytest -n auto --dist loadgroup $(ARGS)

check:
	@exec $(BOOTSTRAP) --dev
	@exec $(IN_VENV) -m ruff check .
	@exec $(IN_VENV) -m mypy --strict $(APPS)
	@exec $(IN_VENV) manage.py makemigrations --check --dry-run

screenshots:
	@exec $(BOOTSTRAP) --dev --browser
	@exec $(IN_VENV) -m tests.browser.screenshots

# SEED=, RUNS=, VISITORS= and RACES= choose how much; docs/reliability.md says what it proves.
faults:
	@exec $(BOOTSTRAP) --dev
	@exec $(IN_VENV) -m tests.faults
	@exec $(IN_VENV) -m tests.faults.races

faults-mutants:
	@exec $(BOOTSTRAP) --dev
	@exec $(IN_VENV) -m tests.faults.mutate
