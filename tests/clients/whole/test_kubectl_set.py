"""kubectl set: each part of an object that it changes, and what it then holds."""

from __future__ import annotations

from collections.abc import Callable

from tests.clients.whole.conftest import Kubectl
from tests.clients.whole.manifests import DEPLOYMENT

Apply = Callable[[str], str]
IMAGE = "jsonpath={.spec.template.spec.containers[0].image}"
SUBJECT = {"apiGroup": "rbac.authorization.k8s.io"}


def test_an_image_is_set_by_container_or_for_all(kubectl: Kubectl, apply: Apply) -> None:
    """A dry run and a container that is not there change nothing."""
    apply(DEPLOYMENT)

    tried = kubectl("set", "image", "deployment/web", "web=web:2", "--dry-run=client")
    wrong = kubectl.fails("set", "image", "deployment/web", "nope=web:2")
    before = kubectl("get", "deployment/web", "-o", IMAGE)
    said = kubectl("set", "image", "deployment", "-l", "app=web", "*=web:4")
    again = kubectl("set", "image", "deployment/web", "web=web:4")

    assert tried == "deployment.apps/web image updated (dry run)\n"
    assert wrong == 'error: unable to find container named "nope"\n'
    assert before == "web:1"
    assert (said, again) == ("deployment.apps/web image updated\n", "")
    assert kubectl("get", "deployment/web", "-o", IMAGE) == "web:4"


def test_the_environment_is_set_from_words_and_from_objects(kubectl: Kubectl, apply: Apply) -> None:
    """Keys become names; --resolve looks the values up; a dash takes away."""
    apply(DEPLOYMENT)
    kubectl("create", "configmap", "conf", "--from-literal=key-a=v")
    kubectl("create", "secret", "generic", "sec", "--from-literal=PW=x")
    of_web = "set", "env", "deployment/web"

    said = kubectl(*of_web, "A=1", "B=two")
    kubectl(*of_web, "--from=configmap/conf")
    kubectl(*of_web, "--from=secret/sec", "--prefix=S_")
    kubectl(*of_web, "A-")

    assert said == "deployment.apps/web env updated\n"
    heading = "# Deployment web, container web\n"
    assert kubectl(*of_web, "--list") == (
        f"{heading}B=two\n# KEY_A from configmap conf, key key-a\n# S_PW from secret sec, key PW\n"
    )
    assert kubectl(*of_web, "--list", "--resolve") == f"{heading}B=two\nKEY_A=v\nS_PW=x\n"
    assert kubectl.json("get", "deployment/web")["spec"]["template"]["spec"]["containers"][0]["env"] == [
        {"name": "B", "value": "two"},
        {"name": "KEY_A", "valueFrom": {"configMapKeyRef": {"name": "conf", "key": "key-a"}}},
        {"name": "S_PW", "valueFrom": {"secretKeyRef": {"name": "sec", "key": "PW"}}},
    ]


def test_resources_and_the_service_account_are_set(kubectl: Kubectl, apply: Apply) -> None:
    """What the server refuses is said with its path."""
    apply(DEPLOYMENT)

    said = kubectl("set", "resources", "deployment/web", "--limits=cpu=200m,memory=64Mi", "--requests=cpu=100m")
    more = kubectl.fails("set", "resources", "deployment/web", "--requests=cpu=300m")
    account = kubectl("set", "serviceaccount", "deployment/web", "bot")

    assert said == "deployment.apps/web resource requirements updated\n"
    assert more == (
        'error: failed to patch resources update to pod template Deployment.apps "web" is invalid: '
        'spec.template.spec.containers[0].resources.requests: Invalid value: "300m": '
        "must be less than or equal to cpu limit of 200m\n"
    )
    assert account == "deployment.apps/web serviceaccount updated\n"
    spec = kubectl.json("get", "deployment/web")["spec"]["template"]["spec"]
    assert spec["containers"][0]["resources"] == {
        "limits": {"cpu": "200m", "memory": "64Mi"},
        "requests": {"cpu": "100m"},
    }
    assert (spec["serviceAccountName"], spec["serviceAccount"]) == ("bot", "bot")


def test_a_selector_and_subjects_are_set(kubectl: Kubectl) -> None:
    """A Service's selector is replaced; a binding gains subjects."""
    kubectl("create", "service", "clusterip", "web", "--tcp=80")
    kubectl("create", "role", "reader", "--verb=get", "--resource=pods")
    kubectl("create", "rolebinding", "read", "--role=reader", "--user=ada")

    selector = kubectl("set", "selector", "service/web", "app=other,tier=x")
    added = "--user=bob", "--group=devs", "--serviceaccount=default:bot"
    subjects = kubectl("set", "subject", "rolebinding", "read", *added)

    assert selector == "service/web selector updated\n"
    assert kubectl.json("get", "service/web")["spec"]["selector"] == {"app": "other", "tier": "x"}
    assert subjects == "rolebinding.rbac.authorization.k8s.io/read subjects updated\n"
    assert kubectl.json("get", "rolebinding/read")["subjects"] == [
        {"kind": "User", "name": "ada", **SUBJECT},
        {"kind": "User", "name": "bob", **SUBJECT},
        {"kind": "Group", "name": "devs", **SUBJECT},
        {"kind": "ServiceAccount", "name": "bot", "namespace": "default"},
    ]
