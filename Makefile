# The commands of the course; `make help` lists them. Their substance is in tools/course.py.
PYTHON ?= python3
PORT ?= 8000
SEEDS ?= 5

RUN = @command -v $(PYTHON) > /dev/null || { echo "There is no $(PYTHON) on this machine." \
  "Install Python 3.11 or newer, or name yours: make $@ PYTHON=python3.12" >&2; exit 1; }; \
  $(PYTHON) -m tools.course $@

.PHONY: help book test lab lock serve check outputs claims bench assignments grade

help book test lab lock:
	$(RUN)

serve:
	$(RUN) --port $(PORT)

check outputs bench:
	$(RUN) $(CHAPTER)

claims:
	$(RUN) $(CHAPTER) --seeds $(SEEDS) $(if $(RECHECK),--recheck)

assignments:
	$(RUN) "$(OUT)" $(CHAPTERS) $(if $(VARIANT),--variant $(VARIANT))

grade:
	$(RUN) "$(COURSE)" $(if $(REGRADE),--again)
