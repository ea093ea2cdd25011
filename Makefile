# The commands of the course; `make help` lists them. Their substance is in tools/course.py.
PYTHON ?= python3
PORT ?= 8000
SEEDS ?= 5

COURSE = @command -v $(PYTHON) > /dev/null || { echo "There is no $(PYTHON) on this machine." \
  "Install Python 3.11 or newer, or name yours: make $@ PYTHON=python3.12" >&2; exit 1; }; \
  $(PYTHON) -m tools.course $@

.PHONY: help book test lab lock serve check outputs claims bench assignments

help book test lab lock:
	$(COURSE)

serve:
	$(COURSE) --port $(PORT)

check outputs bench:
	$(COURSE) $(CHAPTER)

claims:
	$(COURSE) $(CHAPTER) --seeds $(SEEDS) $(if $(RECHECK),--recheck)

assignments:
	$(COURSE) $(OUT)
