from django.apps import AppConfig


class FederationConfig(AppConfig):
    name = "apps.federation"

    def ready(self) -> None:
        from apps.federation import cleaning, exchanging
        from apps.federation.peers import EXCHANGE
        from apps.jobs.registry import register

        register(cleaning.KIND, cleaning.clean, every_s=cleaning.EVERY_S)
        register(exchanging.PLAN_KIND, exchanging.plan, every_s=exchanging.PLAN_EVERY_S)
        register(EXCHANGE, exchanging.exchange, max_attempts=exchanging.MAX_ATTEMPTS)
