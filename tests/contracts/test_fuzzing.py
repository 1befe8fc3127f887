"""Requests that schemathesis makes of the description, right and wrong: no fault of ours, and documented answers."""

import pytest
import schemathesis
from django.db import transaction
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from apps.files.frames import MEDIA_TYPE as FRAMES
from tests.contracts.house import House, application_of_this_process, connection_kept
from tests.contracts.openapi import Operation, description, named, operations

CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]
SCHEMA = schemathesis.openapi.from_dict(description())
SCHEMA.app = application_of_this_process()
EXAMPLES = 8

schemathesis.serializer.alias(FRAMES, "application/octet-stream")


@pytest.mark.django_db
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["sound", "broken"])
@pytest.mark.parametrize("operation", operations(), ids=named)
def test_no_request_is_answered_with_a_fault_or_undocumented(operation: Operation, mode: GenerationMode):
    house = House.prepared(operation)
    described = SCHEMA.find_operation_by_id(operation.id)

    # The same requests in every run: what fails here fails everywhere.
    @examples(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=described.as_strategy(generation_mode=mode))
    def send(case: schemathesis.Case) -> None:
        if "slug" in case.path_parameters:
            case.path_parameters["slug"] = "default"
        before = transaction.savepoint()
        answer = case.call(headers={"Authorization": f"Bearer {house.token}", "Accept-Encoding": "identity"})
        transaction.savepoint_rollback(before)
        case.validate_response(answer, checks=CHECKS)

    with connection_kept():
        send()
