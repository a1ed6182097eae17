AVAILABLE_MODELS = {"answers": "Answers"}
