from django.apps import AppConfig


class OperationsConfig(AppConfig):
    name = "apps.operations"

    def ready(self) -> None:
        from apps.jobs.registry import register
        from apps.operations import checks, housekeeping  # noqa: F401 - the checks register themselves

        register(housekeeping.KIND, housekeeping.keep_house, every_s=housekeeping.EVERY_S)
