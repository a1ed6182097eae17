"""A plugin of lmms-eval (`LMMS_EVAL_PLUGINS=lmms_plugin`) for its own command: our engine, or gibberish, as a model."""
