from django.apps import AppConfig


class BlobsConfig(AppConfig):
    name = "apps.blobs"

    def ready(self) -> None:
        from apps.blobs import sweeping
        from apps.jobs.registry import register

        register(sweeping.KIND, sweeping.sweep_objects, every_s=sweeping.EVERY_S)
