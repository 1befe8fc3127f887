from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "apps.jobs"

    def ready(self) -> None:
        from apps.jobs import cleaning, delivering
        from apps.jobs.actions import DELIVER
        from apps.jobs.registry import register

        register(DELIVER, delivering.deliver, max_attempts=delivering.MAX_ATTEMPTS)
        register(cleaning.KIND, cleaning.clean, every_s=cleaning.EVERY_S)
