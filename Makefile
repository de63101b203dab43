# Forwards to ./dev, for those whose fingers type make.
COMMANDS := setup demo demo-stop test test-engines check bench docs lock
.PHONY: $(COMMANDS)
$(COMMANDS):
	./dev $@
