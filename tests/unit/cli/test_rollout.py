"""`rollout`, `scale` and `wait`: following, and what they write."""

from __future__ import annotations

from fairlead.api import objects
from fairlead.api.pb import apps_v1_pb2 as appsv1
from tests.support import served
from tests.unit.cli import objects as made


def test_a_rollout_is_followed_to_its_end(plane: served.Plane) -> None:
    """kubectl's sentences, each once."""
    made.deployment(plane, "web", 3)
    following = plane.start("rollout", "status", "deploy/web")
    said = [following.line()]
    for counts in ((3, 1, 2), (4, 3, 2), (3, 3, 2), (3, 3, 3)):
        made.progress(plane, "web", *counts)
        said.append(following.line())

    assert said == [
        "Waiting for deployment spec update to be observed...",
        'Waiting for deployment "web" rollout to finish: 1 out of 3 new replicas have been updated...',
        'Waiting for deployment "web" rollout to finish: 1 old replicas are pending termination...',
        'Waiting for deployment "web" rollout to finish: 2 of 3 updated replicas are available...',
        'deployment "web" successfully rolled out',
    ]
    assert following.end() == (0, "", "")


def test_a_rollout_that_takes_too_long(plane: served.Plane) -> None:
    """By the user's clock or by its own deadline."""
    made.deployment(plane, "web", 3)
    slow = plane.cli("rollout", "status", "deploy/web", "--timeout", "0.2s")
    fresh = objects.copy(plane.call(plane.client.get(appsv1.Deployment, "web", "default")))
    fresh.status.observedGeneration = fresh.metadata.generation
    fresh.status.conditions.add(type="Progressing", status="False", reason="ProgressDeadlineExceeded")
    plane.call(plane.client.update(fresh, subresource="status"))

    late = plane.cli("rollout", "status", "deploy/web")

    assert (slow.exit_code, slow.stderr) == (1, "error: timed out waiting for the condition\n")
    assert (late.exit_code, late.stderr) == (1, 'error: deployment "web" exceeded its progress deadline\n')


def test_a_rollout_of_nothing(plane: served.Plane) -> None:
    """One line each."""
    missing = plane.cli("rollout", "status", "deploy/web")
    wrong = plane.cli("rollout", "status", "svc/web")

    assert (missing.exit_code, missing.output) == (
        1,
        'Error from server (NotFound): deployments.apps "web" not found\n',
    )
    assert wrong.exit_code == 2


def test_restart_pause_and_resume_change_the_deployment(plane: served.Plane) -> None:
    """By an annotation of the template, and by spec.paused."""
    made.deployment(plane, "web", 1)

    said = [plane.out("rollout", verb, "deploy/web") for verb in ("restart", "pause")]
    between = plane.call(plane.client.get(appsv1.Deployment, "web", "default"))
    said.append(plane.out("rollout", "resume", "deploy/web"))
    after = plane.call(plane.client.get(appsv1.Deployment, "web", "default"))

    assert said == [f"deployment.apps/web {word}\n" for word in ("restarted", "paused", "resumed")]
    assert list(between.spec.template.metadata.annotations) == ["kubectl.kubernetes.io/restartedAt"]
    assert (between.spec.paused, after.spec.paused) == (True, False)


def test_a_deployment_goes_back_to_an_earlier_revision(plane: served.Plane) -> None:
    """`history` lists the revisions, `undo` takes the last but one or the one that is named."""
    deployment = made.deployment(plane, "web", 1)
    for number, image in enumerate(("web:1", "web:2", "web:3"), start=1):
        revision(plane, deployment, number, image)

    history = plane.out("rollout", "history", "deploy/web")
    plane.out("rollout", "undo", "deploy/web")
    last = plane.call(plane.client.get(appsv1.Deployment, "web", "default"))
    plane.out("rollout", "undo", "deploy/web", "--to-revision", "1")
    first = plane.call(plane.client.get(appsv1.Deployment, "web", "default"))
    wrong = plane.cli("rollout", "undo", "deploy/web", "--to-revision", "9")

    assert history == (
        "deployment.apps/web \nREVISION  CHANGE-CAUSE\n1         <none>\n2         <none>\n3         <none>\n\n"
    )
    assert [each.spec.template.spec.containers[0].image for each in (last, first)] == ["web:2", "web:1"]
    assert dict(first.spec.template.metadata.labels) == {"app": "web"}
    assert (wrong.exit_code, wrong.stderr) == (1, "error: unable to find specified revision 9 in history\n")


def revision(plane: served.Plane, owner: appsv1.Deployment, number: int, image: str) -> None:
    """Create the ReplicaSet that the controller would make for a revision."""
    fresh = appsv1.ReplicaSet()
    fresh.metadata.name, fresh.metadata.namespace = f"web-{number}", "default"
    fresh.metadata.annotations["deployment.kubernetes.io/revision"] = str(number)
    ref = fresh.metadata.ownerReferences.add(apiVersion="apps/v1", kind="Deployment", name="web", controller=True)
    ref.uid = owner.metadata.uid
    labels = {"app": "web", "pod-template-hash": str(number)}
    fresh.spec.selector.matchLabels.update(labels)
    fresh.spec.template.metadata.labels.update(labels)
    fresh.spec.template.spec.containers.add(name="web", image=image)
    plane.call(plane.client.create(fresh))


def test_scaling(plane: served.Plane) -> None:
    """Also only from an expected number; what has no replicas is refused."""
    made.deployment(plane, "web", 3)

    said = plane.out("scale", "deploy/web", "--replicas", "5", "--current-replicas", "3")
    stale = plane.cli("scale", "deploy", "web", "--replicas", "1", "--current-replicas", "3")
    wrong = plane.cli("scale", "svc/kubernetes", "--replicas", "1")

    assert said == "deployment.apps/web scaled\n"
    assert (stale.exit_code, stale.stderr) == (1, "error: Expected replicas to be 3, was 5\n")
    assert (wrong.exit_code, wrong.stderr) == (1, "error: services cannot be scaled\n")
    assert plane.call(plane.client.get(appsv1.Deployment, "web", "default")).spec.replicas == 5


def test_waiting_for_conditions_values_and_ends(plane: served.Plane) -> None:
    """Of what is there already, and of what comes."""
    made.pod(plane, "web-1", app="web")

    assert plane.out("wait", "--for=condition=Ready", "pod/web-1") == "pod/web-1 condition met\n"
    assert plane.out("wait", "--for=jsonpath={.status.phase}=Running", "pods", "-l", "app=web") == (
        "pod/web-1 condition met\n"
    )
    assert plane.out("wait", "--for=delete", "pod/web-2") == "pod/web-2 deleted\n"
    waiting = plane.start("wait", "--for=condition=Ready", "pod/web-1", "pod/web-3", "--timeout", "20s")
    assert waiting.end()[0] == 1  # web-3 does not exist
    waiting = plane.start("wait", "--for=create", "pod/web-4", "pod/web-1")
    assert waiting.line() == "pod/web-1 condition met"
    made.pod(plane, "web-4")
    assert waiting.end() == (0, "pod/web-4 condition met\n", "")


def test_waiting_has_an_end(plane: served.Plane) -> None:
    """The line names what did not come about."""
    made.pod(plane, "web-1")

    result = plane.cli("wait", "--for=condition=Sunny", "pod/web-1", "--timeout", "0.2s")
    wrong = plane.cli("wait", "--for=sunshine", "pod/web-1")

    assert (result.exit_code, result.output) == (1, "error: timed out waiting for the condition on pods/web-1\n")
    assert wrong.exit_code == 2
