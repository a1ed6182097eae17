"""LLaVA: each patch of the vision tower is a token."""

from rilctl.models.families.record import Family

FAMILY = Family(name="llava", model_types=("llava",), processor="LlavaProcessor")
