"""Jobs and webhooks in the console: evidence to read, and buttons that call actions."""

from django.contrib import admin

from apps.jobs.admin.jobs import JobAdmin
from apps.jobs.admin.webhooks import WebhookDeliveryAdmin, WebhookEndpointAdmin
from apps.jobs.models import Job, WebhookDelivery, WebhookEndpoint

admin.site.register(Job, JobAdmin)
admin.site.register(WebhookEndpoint, WebhookEndpointAdmin)
admin.site.register(WebhookDelivery, WebhookDeliveryAdmin)
