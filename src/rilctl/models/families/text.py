"""Language models without a vision tower, whatever their `model_type`."""

from rilctl.models.families.record import Family

FAMILY = Family(name="text", model_types=(), sees_pictures=False)
