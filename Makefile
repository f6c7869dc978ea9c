# The two commands of a newcomer are `make demo` and `make test`; both do all the set-up they need, and only once.

.PHONY: demo test models lock lint

# make demo ARGS="--lang en --fault power-cut"
demo:
	@sh scripts/setup.sh run
	@.venv/bin/kiosk demo $(if $(findstring --lang,$(ARGS)),,--lang zh) $(ARGS)

test:
	@sh scripts/setup.sh test
	@$(MAKE) --no-print-directory lint
	.venv/bin/python -m pytest $(ARGS)

models:
	@sh scripts/setup.sh run

lint:
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

# Writes the locks anew from the .in files, versions kept where they still fit (ARGS=--upgrade takes the newest).
lock:
	@sh scripts/lock.sh $(ARGS)
