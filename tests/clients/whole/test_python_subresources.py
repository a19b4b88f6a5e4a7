"""The official Python client's subresources and questions: status, scale, eviction, binding, tokens and reviews."""

from __future__ import annotations

import json
from typing import Any

import kubernetes
import pytest
from kubernetes.client.exceptions import ApiException

from fairlead.testing import cluster as testing

CLIENT = kubernetes.client
MERGE = "application/merge-patch+json"


@pytest.fixture
def core(python: Any) -> Any:
    """The core API."""
    return CLIENT.CoreV1Api(python)


@pytest.fixture
def apps(python: Any) -> Any:
    """The apps API, with the deployment `web` of one replica."""
    made = CLIENT.AppsV1Api(python)
    made.create_namespaced_deployment(
        "default",
        CLIENT.V1Deployment(
            metadata=CLIENT.V1ObjectMeta(name="web"),
            spec=CLIENT.V1DeploymentSpec(
                selector=CLIENT.V1LabelSelector(match_labels={"app": "web"}),
                template=CLIENT.V1PodTemplateSpec(
                    metadata=CLIENT.V1ObjectMeta(labels={"app": "web"}),
                    spec=CLIENT.V1PodSpec(containers=[CLIENT.V1Container(name="web", image="web:1")]),
                ),
            ),
        ),
    )
    return made


def pod(name: str, **labels: str) -> Any:
    """Return a pod of one container."""
    containers = [CLIENT.V1Container(name="main", image="web:1")]
    return CLIENT.V1Pod(
        metadata=CLIENT.V1ObjectMeta(name=name, labels=labels), spec=CLIENT.V1PodSpec(containers=containers)
    )


def until(list_: Any, ready: Any, **options: Any) -> Any:
    """Watch until an object is as it should be, and return it."""
    watch = kubernetes.watch.Watch()
    for event in watch.stream(list_, "default", timeout_seconds=30, **options):
        if ready(event["object"]):
            watch.stop()
            return event["object"]
    raise AssertionError("it never came")


def test_scale_is_read_replaced_and_patched(apps: Any) -> None:
    """As autoscaling/v1 has it, for every workload."""
    scale = apps.read_namespaced_deployment_scale("web", "default")
    scale.spec.replicas, scale.metadata.resource_version = 3, None  # the status moves on meanwhile
    replaced = apps.replace_namespaced_deployment_scale("web", "default", scale)
    until(apps.list_namespaced_deployment, lambda each: each.status.ready_replicas == 3)
    patched = apps.patch_namespaced_deployment_scale("web", "default", {"spec": {"replicas": 2}}, _content_type=MERGE)

    assert (scale.kind, scale.api_version, replaced.spec.replicas, patched.spec.replicas) == (
        "Scale",
        "autoscaling/v1",
        3,
        2,
    )
    assert patched.status.selector == "app=web"
    assert apps.read_namespaced_deployment("web", "default").spec.replicas == 2


def test_status_and_spec_are_changed_apart(core: Any) -> None:
    """What goes to one leaves the other alone."""
    claims = {"persistentvolumeclaims": "3"}
    quota = CLIENT.V1ResourceQuota(
        metadata=CLIENT.V1ObjectMeta(name="small"), spec=CLIENT.V1ResourceQuotaSpec(hard=claims)
    )
    core.create_namespaced_resource_quota("default", quota)
    node = core.read_node("node-1")

    patched = core.patch_node_status(
        "node-1",
        {"spec": {"unschedulable": True}, "status": {"capacity": {"example.com/dongle": "4"}}},
        _content_type=MERGE,
    )

    assert (patched.spec.unschedulable, patched.status.capacity["example.com/dongle"]) == (None, "4")
    assert patched.status.capacity["cpu"] == node.status.capacity["cpu"]
    counted = until(core.list_namespaced_resource_quota, lambda each: each.status.used)
    assert (counted.status.hard, counted.status.used) == (claims, {"persistentvolumeclaims": "0"})


def test_an_eviction_honours_the_budget(apps: Any, core: Any) -> None:
    """429 with the cause while none may go."""
    policy = CLIENT.PolicyV1Api(core.api_client)
    policy.create_namespaced_pod_disruption_budget(
        "default",
        CLIENT.V1PodDisruptionBudget(
            metadata=CLIENT.V1ObjectMeta(name="all"),
            spec=CLIENT.V1PodDisruptionBudgetSpec(
                min_available=1, selector=CLIENT.V1LabelSelector(match_labels={"app": "web"})
            ),
        ),
    )
    until(policy.list_namespaced_pod_disruption_budget, lambda each: each.status and each.status.current_healthy == 1)
    (web,) = core.list_namespaced_pod("default").items
    eviction = CLIENT.V1Eviction(metadata=CLIENT.V1ObjectMeta(name=web.metadata.name, namespace="default"))

    with pytest.raises(ApiException) as caught:
        core.create_namespaced_pod_eviction(web.metadata.name, "default", eviction)
    policy.delete_namespaced_pod_disruption_budget("all", "default")
    core.create_namespaced_pod_eviction(web.metadata.name, "default", eviction)

    status = json.loads(caught.value.body)
    assert (caught.value.status, status["reason"]) == (429, "TooManyRequests")
    assert status["message"] == "Cannot evict pod as it would violate the pod's disruption budget."
    assert status["details"]["causes"][0]["reason"] == "DisruptionBudget"
    until(core.list_namespaced_pod, lambda each: each.metadata.name != web.metadata.name)


def test_a_binding_puts_a_pod_on_its_node(core: Any) -> None:
    """What a scheduler written in Python does."""
    body = pod("chosen")
    body.spec.scheduler_name = "mine"
    core.create_namespaced_pod("default", body)

    core.create_namespaced_pod_binding(
        "chosen",
        "default",
        CLIENT.V1Binding(
            metadata=CLIENT.V1ObjectMeta(name="chosen"),
            target=CLIENT.V1ObjectReference(api_version="v1", kind="Node", name="node-2"),
        ),
        _preload_content=False,  # the answer is a Status, which the client takes for a Binding, as with Kubernetes
    )

    running = until(core.list_namespaced_pod, lambda each: each.status.phase == "Running")
    assert running.spec.node_name == "node-2"


def test_a_token_is_what_its_service_account_may(cluster: testing.Threaded, core: Any) -> None:
    """Asked for through the client, used by the client, reviewed by the client."""
    account = CLIENT.V1ServiceAccount(metadata=CLIENT.V1ObjectMeta(name="bot"))
    core.create_namespaced_service_account("default", account)
    rbac = CLIENT.RbacAuthorizationV1Api(core.api_client)
    rbac.create_namespaced_role(
        "default",
        CLIENT.V1Role(
            metadata=CLIENT.V1ObjectMeta(name="reader"),
            rules=[CLIENT.V1PolicyRule(api_groups=[""], resources=["configmaps"], verbs=["list"])],
        ),
    )
    rbac.create_namespaced_role_binding(
        "default",
        CLIENT.V1RoleBinding(
            metadata=CLIENT.V1ObjectMeta(name="bot-reads"),
            role_ref=CLIENT.V1RoleRef(api_group="rbac.authorization.k8s.io", kind="Role", name="reader"),
            subjects=[CLIENT.RbacV1Subject(kind="ServiceAccount", name="bot", namespace="default")],
        ),
    )
    wanted = CLIENT.V1TokenRequestSpec(audiences=[], expiration_seconds=600)
    request = CLIENT.AuthenticationV1TokenRequest(spec=wanted)

    token = core.create_namespaced_service_account_token("bot", "default", request).status.token
    bot = kubernetes.client.Configuration(host=cluster.url, api_key={"authorization": f"Bearer {token}"})
    bot.ssl_ca_cert = str(cluster.running.authority)
    with kubernetes.client.ApiClient(bot) as client:
        mine = CLIENT.CoreV1Api(client)
        names = [each.metadata.name for each in mine.list_namespaced_config_map("default").items]
        with pytest.raises(ApiException) as caught:
            mine.list_namespaced_secret("default")
        me = CLIENT.AuthenticationV1Api(client).create_self_subject_review(CLIENT.V1SelfSubjectReview())
        may = CLIENT.AuthorizationV1Api(client).create_self_subject_access_review(
            CLIENT.V1SelfSubjectAccessReview(
                spec=CLIENT.V1SelfSubjectAccessReviewSpec(
                    resource_attributes=CLIENT.V1ResourceAttributes(
                        namespace="default", verb="list", resource="configmaps"
                    )
                )
            )
        )

    assert "kube-root-ca.crt" in names
    assert json.loads(caught.value.body)["message"] == (
        'secrets is forbidden: User "system:serviceaccount:default:bot" cannot list resource "secrets" '
        'in API group "" in the namespace "default"'
    )
    assert me.status.user_info.username == "system:serviceaccount:default:bot"
    assert may.status.allowed is True


def test_others_rights_and_tokens_can_be_asked_for(core: Any) -> None:
    """SubjectAccessReview says why; TokenReview says that nonsense is nobody."""
    review = CLIENT.V1SubjectAccessReview(
        spec=CLIENT.V1SubjectAccessReviewSpec(
            user="jane",
            groups=["system:authenticated"],
            resource_attributes=CLIENT.V1ResourceAttributes(verb="delete", resource="nodes"),
        )
    )

    jane = CLIENT.AuthorizationV1Api(core.api_client).create_subject_access_review(review)
    nobody = CLIENT.AuthenticationV1Api(core.api_client).create_token_review(
        CLIENT.V1TokenReview(spec=CLIENT.V1TokenReviewSpec(token="nonsense"))
    )

    assert jane.status.allowed is False
    assert not nobody.status.authenticated


def test_a_job_runs_and_an_autoscaler_is_kept(core: Any) -> None:
    """Further groups, through their models."""
    batch, scaling = CLIENT.BatchV1Api(core.api_client), CLIENT.AutoscalingV2Api(core.api_client)
    template = CLIENT.V1PodTemplateSpec(
        spec=CLIENT.V1PodSpec(restart_policy="Never", containers=[CLIENT.V1Container(name="main", image="work:1")])
    )
    cron = batch.create_namespaced_cron_job(
        "default",
        CLIENT.V1CronJob(
            metadata=CLIENT.V1ObjectMeta(name="nightly"),
            spec=CLIENT.V1CronJobSpec(
                schedule="0 3 * * *", job_template=CLIENT.V1JobTemplateSpec(spec=CLIENT.V1JobSpec(template=template))
            ),
        ),
    )
    scaler = scaling.create_namespaced_horizontal_pod_autoscaler(
        "default",
        CLIENT.V2HorizontalPodAutoscaler(
            metadata=CLIENT.V1ObjectMeta(name="web"),
            spec=CLIENT.V2HorizontalPodAutoscalerSpec(
                max_replicas=4,
                scale_target_ref=CLIENT.V2CrossVersionObjectReference(
                    api_version="apps/v1", kind="Deployment", name="web"
                ),
            ),
        ),
    )

    old = CLIENT.AutoscalingV1Api(core.api_client).read_namespaced_horizontal_pod_autoscaler("web", "default")
    assert (cron.spec.concurrency_policy, cron.spec.suspend) == ("Allow", False)
    assert (scaler.spec.min_replicas, scaler.spec.metrics[0].resource.target.average_utilization) == (1, 80)
    assert (old.spec.max_replicas, old.spec.target_cpu_utilization_percentage) == (4, 80)
