"""Where the API is: `path("api/", include("cem_cases.api.urls"))` in the host's URLs."""

from django.urls import include, path
from rest_framework.routers import SimpleRouter

from cem_cases.api.capture import Responses
from cem_cases.api.cases import CaseViewSet
from cem_cases.api.replay import Replays

app_name = "cem_cases"

router = SimpleRouter()
router.register("cases", CaseViewSet, basename="case")

urlpatterns = [
    path("v1/responses/", Responses.as_view(), name="responses"),
    path("v1/rules/replay/", Replays.as_view(), name="rule-replay"),
    path("v1/", include(router.urls)),
]
