from django.apps import AppConfig


class SnapshotsConfig(AppConfig):
    name = "apps.snapshots"

    def ready(self) -> None:
        from apps.jobs.registry import register
        from apps.snapshots import cleaning, planning, pruning, restoring, starting, uploading, verifying

        register(cleaning.KIND, cleaning.clean, every_s=cleaning.EVERY_S)
        register(
            uploading.KIND, uploading.upload, max_attempts=uploading.MAX_ATTEMPTS, time_limit_s=uploading.TIME_LIMIT_S
        )
        register(
            restoring.KIND, restoring.restore, max_attempts=restoring.MAX_ATTEMPTS, time_limit_s=restoring.TIME_LIMIT_S
        )
        register(verifying.KIND, verifying.verify, time_limit_s=verifying.TIME_LIMIT_S)
        register(planning.KIND, planning.plan, every_s=planning.EVERY_S)
        register(planning.PRUNES_KIND, planning.plan_prunes, every_s=planning.PRUNES_EVERY_S)
        register(planning.WATCH_KIND, planning.watch, every_s=planning.WATCH_EVERY_S)
        register(starting.KIND, starting.start)
        register(pruning.KIND, pruning.prune_workspace)
