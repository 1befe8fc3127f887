from django.apps import AppConfig


class FilesConfig(AppConfig):
    name = "apps.files"

    def ready(self) -> None:
        from apps.files import announcing, epochs, purging, receivers, uploading
        from apps.jobs.registry import register

        register(uploading.KIND, uploading.upload_workspace)
        register(uploading.PLAN_KIND, uploading.plan_uploads, every_s=uploading.PLAN_EVERY_S)
        register(announcing.KIND, announcing.announce)
        register(announcing.PLAN_KIND, announcing.plan_announcements, every_s=announcing.PLAN_EVERY_S)
        register(epochs.KIND, epochs.watch_database, every_s=epochs.EVERY_S)
        register(purging.PLAN_KIND, purging.plan_housekeeping, every_s=purging.PLAN_EVERY_S)
        register(purging.RETAIN_KIND, purging.retain)
        register(purging.COLLECT_KIND, purging.collect)
        register(purging.PURGE_KIND, purging.purge_workspace)
        receivers.connect()
