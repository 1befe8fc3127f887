from django.apps import AppConfig


class DialectsConfig(AppConfig):
    name = "apps.dialects"

    def ready(self) -> None:
        from apps.dialects.cloud_sync import cleaning
        from apps.jobs.registry import register

        register(cleaning.KIND, cleaning.clean, every_s=cleaning.EVERY_S)
