from django.apps import AppConfig


class FederationConfig(AppConfig):
    name = "apps.federation"

    def ready(self) -> None:
        from apps.federation import cleaning
        from apps.jobs.registry import register

        register(cleaning.KIND, cleaning.clean, every_s=cleaning.EVERY_S)
