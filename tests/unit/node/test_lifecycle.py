"""What is decided about a pod, row by row: what is seen, what is done."""

from __future__ import annotations

import dataclasses

import pytest

from fairlead.api.pb import core_v1_pb2 as corev1
from node.network.interface import Sandbox
from node.pods import lifecycle, model
from node.pods.model import Action, Failure, Observed, Probed, Step, Waiting
from node.runtime import interface as runtime
from tests.support import pods

NOW = 1_700_001_000.0
SANDBOX = Sandbox(pods.UID, "s1", "/n", "/i", "/u", ("10.128.3.2",))


def _container(
    state: runtime.ContainerState = "running",
    *,
    name: str = "main",
    attempt: int = 0,
    sandbox: str = "s1",
    backoff: float = 0.0,
    image: str = pods.IMAGE,
    created: float = NOW - 60,
    finished: float = 0.0,
    code: int = 0,
) -> runtime.Container:
    labels = {
        runtime.CONTAINER_LABEL: name,
        runtime.RESTARTS_LABEL: str(attempt),
        runtime.SANDBOX_LABEL: sandbox,
        runtime.HASH_LABEL: model.spec_hash(corev1.Container(name=name, image=image)),
        model.BACKOFF_LABEL: f"{backoff:g}",
    }
    key = f"{name}-{attempt}"
    return runtime.Container(key, key, image, "", labels, state, created, created, finished, code)


def _observed(pod: corev1.Pod | None = None, *containers: runtime.Container, **changes: object) -> Observed:
    ready = Observed(pod or pods.pod(), NOW, containers, SANDBOX, volumes_ready=True, volumes_present=True)
    return dataclasses.replace(ready, **changes)  # type: ignore[arg-type]


def _with_init(policy: str = "Always") -> corev1.Pod:
    pod = pods.pod(policy=policy)
    pod.spec.initContainers.append(pods.container("init"))
    return pod


def _with_sidecar() -> corev1.Pod:
    pod = pods.pod()
    sidecar = pods.container("side")
    sidecar.restartPolicy = "Always"
    pod.spec.initContainers.append(sidecar)
    return pod


START = Action(Step.START, "main", "main")
RESTARTED = Action(Step.START, "main", "main", attempt=1, backoff=10.0)
ENDED = _container("exited", code=1, finished=NOW - 5)
BACKING_OFF = _container("exited", attempt=1, code=1, backoff=10.0, created=NOW - 6, finished=NOW - 5)
OVER = _container("exited", attempt=1, code=1, backoff=10.0, created=NOW - 16, finished=NOW - 15)
LONG_RUN = _container("exited", attempt=7, code=1, backoff=300.0, created=NOW - 9000, finished=NOW - 1)


@pytest.mark.parametrize(
    ("observed", "want"),
    [
        pytest.param(_observed(volumes_ready=False), [Action(Step.PREPARE_VOLUMES)], id="volumes come first"),
        pytest.param(_observed(sandbox=None), [Action(Step.MAKE_SANDBOX)], id="then the sandbox"),
        pytest.param(_observed(), [START], id="then the containers"),
        pytest.param(_observed(busy=frozenset(["start main"])), [], id="what is under way is not begun again"),
        pytest.param(_observed(None, _container()), [], id="what runs is left alone"),
        pytest.param(_observed(None, ENDED), [RESTARTED], id="the first restart is immediate"),
        pytest.param(_observed(None, BACKING_OFF), [], id="the second waits"),
        pytest.param(
            _observed(None, OVER),
            [dataclasses.replace(RESTARTED, attempt=2, backoff=20.0)],
            id="and leaves twice the wait behind",
        ),
        pytest.param(
            _observed(None, LONG_RUN),
            [dataclasses.replace(RESTARTED, attempt=8, backoff=10.0)],
            id="after ten minutes of running it starts over",
        ),
        pytest.param(
            _observed(None, _container("created")),
            [Action(Step.REMOVE, "main-0", "main")],
            id="what was created and never started is made anew",
        ),
        pytest.param(
            _observed(None, _container(image="other")),
            [
                Action(
                    Step.STOP,
                    "main-0",
                    "main",
                    grace=30.0,
                    reason="Container main definition changed, will be restarted",
                    replace=True,
                )
            ],
            id="another image replaces the container",
        ),
        pytest.param(
            _observed(None, _container(), probed={"main-0": Probed(True, True, "because")}),
            [Action(Step.STOP, "main-0", "main", grace=30.0, reason="because")],
            id="what is unhealthy is stopped",
        ),
        pytest.param(
            _observed(None, _container(sandbox="old")),
            [
                Action(
                    Step.STOP,
                    "main-0",
                    "main",
                    grace=30.0,
                    reason="Pod sandbox changed, it will be killed and re-created.",
                )
            ],
            id="what runs in a lost sandbox is stopped",
        ),
        pytest.param(
            _observed(None, _container("exited", sandbox="old", code=137, finished=NOW - 9), sandbox=None),
            [Action(Step.MAKE_SANDBOX)],
            id="after a reboot the sandbox is made anew",
        ),
        pytest.param(
            _observed(
                None,
                _container(attempt=2),
                _container("exited", attempt=1),
                _container("exited", attempt=0),
            ),
            [Action(Step.REMOVE, "main-0", "main")],
            id="one older container is kept",
        ),
        pytest.param(_observed(_with_init()), [Action(Step.START, "init", "init")], id="init containers go first"),
        pytest.param(_observed(_with_init(), _container(name="init")), [], id="and are waited for"),
        pytest.param(
            _observed(_with_init(), _container("exited", name="init", finished=NOW)), [START], id="until they succeed"
        ),
        pytest.param(
            _observed(_with_init(), _container("exited", name="init", code=1, finished=NOW - 1)),
            [Action(Step.START, "init", "init", attempt=1, backoff=10.0)],
            id="one that fails is tried again",
        ),
        pytest.param(
            _observed(_with_init(), _container("exited", name="init", sandbox="old", finished=NOW)),
            [Action(Step.START, "init", "init", attempt=1, backoff=10.0)],
            id="in a new sandbox they run again",
        ),
        pytest.param(_observed(_with_sidecar(), _container(name="side")), [], id="a sidecar must have started"),
        pytest.param(
            _observed(_with_sidecar(), _container(name="side"), probed={"side-0": Probed(started=True)}),
            [START],
            id="before the others start beside it",
        ),
    ],
)
def test_a_pod_that_should_run(observed: Observed, want: list[Action]) -> None:
    """The next actions, and no others."""
    assert list(lifecycle.decide(observed).actions) == want


@pytest.mark.parametrize(
    ("observed", "want", "finished"),
    [
        pytest.param(
            _observed(None, _container()),
            [Action(Step.STOP, "main-0", "main", grace=30.0, reason="Stopping container main")],
            False,
            id="containers stop with the pod's grace",
        ),
        pytest.param(
            _observed(None, _container(), terminating_since=NOW - 20),
            [Action(Step.STOP, "main-0", "main", grace=10.0, reason="Stopping container main")],
            False,
            id="of which what is left counts",
        ),
        pytest.param(
            _observed(_with_sidecar(), _container(), _container(name="side")),
            [Action(Step.STOP, "main-0", "main", grace=30.0, reason="Stopping container main")],
            False,
            id="sidecars stop last",
        ),
        pytest.param(
            _observed(_with_sidecar(), _container("exited"), _container(name="side")),
            [Action(Step.STOP, "side-0", "side", grace=30.0, reason="Stopping container side")],
            False,
            id="when the others have",
        ),
        pytest.param(_observed(busy=frozenset(["start main"])), [], False, id="a start under way is waited for"),
        pytest.param(
            _observed(None, _container("exited")), [Action(Step.REMOVE, "main-0", "main")], False, id="then they go"
        ),
        pytest.param(_observed(), [Action(Step.REMOVE_SANDBOX)], False, id="then the sandbox"),
        pytest.param(_observed(sandbox=None), [Action(Step.RELEASE_VOLUMES)], False, id="then the folder"),
        pytest.param(_observed(sandbox=None, volumes_present=False), [], True, id="then the pod"),
    ],
)
def test_a_pod_that_is_being_deleted(observed: Observed, want: list[Action], finished: bool) -> None:
    """Everything that it had goes, in the reverse order."""
    plan = lifecycle.decide(dataclasses.replace(observed, deleting=True))
    assert (list(plan.actions), plan.finished) == (want, finished)


@pytest.mark.parametrize(
    ("observed", "want"),
    [
        (_observed(pods.pod(policy="Never"), _container("exited")), "Succeeded"),
        (_observed(pods.pod(policy="Never"), _container("exited", code=1)), "Failed"),
        (_observed(pods.pod(policy="OnFailure"), _container("exited")), "Succeeded"),
        (_observed(pods.pod(policy="OnFailure"), _container("exited", code=1)), ""),
        (_observed(pods.pod(), _container("exited")), ""),
        (_observed(_with_init("Never"), _container("exited", name="init", code=1)), "Failed"),
        (_observed(pods.pod(), status=corev1.PodStatus(phase="Failed")), "Failed"),
    ],
)
def test_a_pod_that_has_ended(observed: Observed, want: str) -> None:
    """By its restart policy; a phase that was final stays so."""
    assert lifecycle.decide(observed).terminal == want


def test_a_pod_has_a_deadline() -> None:
    """activeDeadlineSeconds counts from the start time."""
    pod = pods.pod()
    pod.spec.activeDeadlineSeconds = 60
    status = corev1.PodStatus()
    status.startTime.seconds = int(NOW) - 60
    plan = lifecycle.decide(_observed(pod, _container(), status=status))
    assert (plan.terminal, plan.reason) == ("Failed", "DeadlineExceeded")
    assert plan.message == "Pod was active on the node longer than the specified deadline"
    assert [action.step for action in plan.actions] == [Step.STOP]


def test_waiting_containers_say_for_what_and_when_to_look_again() -> None:
    """The texts are what users search for."""
    plan = lifecycle.decide(_observed(None, BACKING_OFF))
    text = f"back-off 10s restarting failed container=main pod=web_default({pods.UID})"
    assert plan.waiting == {"main": Waiting("CrashLoopBackOff", text)}
    assert plan.wake_at == NOW + 5


@pytest.mark.parametrize(
    ("age", "want"),
    [
        (1.0, Waiting("ErrImagePull", "manifest unknown")),
        (6.0, Waiting("ImagePullBackOff", f'Back-off pulling image "{pods.IMAGE}": ErrImagePull: manifest unknown')),
    ],
)
def test_an_image_that_cannot_be_pulled(age: float, want: Waiting) -> None:
    """First the error, then that it waits."""
    failure = Failure("ErrImagePull", "manifest unknown", NOW - age, NOW - age + 10)
    plan = lifecycle.decide(_observed(failures={"main": failure}))
    assert (list(plan.actions), plan.waiting) == ([], {"main": want})


def test_restarts_go_on_counting_where_containers_are_gone() -> None:
    """Somebody pruned the node: the status still has the number."""
    status = corev1.PodStatus()
    status.containerStatuses.add(name="main", restartCount=4, containerID="podman://x")
    assert list(lifecycle.decide(_observed(status=status)).actions) == [dataclasses.replace(START, attempt=5)]


def _with_ephemeral() -> corev1.Pod:
    pod = pods.pod()
    one = pod.spec.ephemeralContainers.add(targetContainerName="main")
    one.ephemeralContainerCommon.name, one.ephemeralContainerCommon.image = "debug", pods.IMAGE
    return pod


def test_an_ephemeral_container_is_started_beside_what_runs() -> None:
    """It comes without a restart of the others, and even while init containers still work."""
    main = _container()
    plan = lifecycle.decide(_observed(_with_ephemeral(), main, probed={main.id: Probed(True, True)}))
    assert plan.actions == [Action(Step.START, "debug", "debug", 0, 0.0)]
    early = _with_ephemeral()
    early.spec.initContainers.append(pods.container("init"))
    plan = lifecycle.decide(_observed(early, _container(name="init")))
    assert plan.actions == [Action(Step.START, "debug", "debug", 0, 0.0)]


def test_an_ephemeral_container_is_never_started_twice() -> None:
    """Neither after it has ended nor where only its status tells of it."""
    main = _container()
    ended = _container("exited", name="debug", finished=NOW - 1, code=1)
    known = corev1.PodStatus()
    known.ephemeralContainerStatuses.add(name="debug", containerID="memory://gone")
    probed = {main.id: Probed(True, True)}
    assert lifecycle.decide(_observed(_with_ephemeral(), main, ended, probed=probed)).actions == []
    assert lifecycle.decide(_observed(_with_ephemeral(), main, probed=probed, status=known)).actions == []
