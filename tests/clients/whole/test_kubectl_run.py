"""kubectl run, expose and wait: what they print, what they make, and what they wait for."""

from __future__ import annotations

from tests.clients.whole.conftest import Kubectl

OVERRIDES = '{"spec":{"nodeName":"node-2","terminationGracePeriodSeconds":0}}'


def test_run_makes_a_pod_of_its_flags(kubectl: Kubectl) -> None:
    """Each flag is found in the pod; dry runs make none; what is wrong is said before anything is made."""
    words = "--restart=Never", "--env=A=1", "--labels=x=y,z=w", "--port=80"

    made = kubectl("run", "one", "--image=web:1", *words)
    args = kubectl("run", "two", "--image=web:1", "--overrides", OVERRIDES, "--", "a", "-b")
    command = kubectl("run", "three", "--image=web:1", "--command", "--", "a", "-b")
    exposed = kubectl("run", "four", "--image=web:1", "--port=80", "--expose")
    tried = [kubectl("run", "five", "--image=web:1", f"--dry-run={how}") for how in ("client", "server")]
    again = kubectl.fails("run", "one", "--image=web:1")
    kubectl("wait", "--for=condition=Ready", "pod", "--all", "--timeout=30s")

    assert (made, args, command) == ("pod/one created\n", "pod/two created\n", "pod/three created\n")
    assert exposed == "service/four created\npod/four created\n"
    assert tried == ["pod/five created (dry run)\n", "pod/five created (server dry run)\n"]
    assert again == 'Error from server (AlreadyExists): pods "one" already exists\n'
    assert kubectl.fails("run", "six", "--image=A B") == 'error: Invalid image name "A B": invalid reference format\n'
    assert 'required flag(s) "image" not set' in kubectl.fails("run", "six").replace("\\", "")
    one, two, three = (kubectl.json("get", "pod", name) for name in ("one", "two", "three"))
    assert (one["spec"]["restartPolicy"], one["metadata"]["labels"]) == ("Never", {"x": "y", "z": "w"})
    container = one["spec"]["containers"][0]
    assert container["env"] == [{"name": "A", "value": "1"}]
    assert container["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    assert (two["spec"]["nodeName"], two["spec"]["containers"][0]["args"]) == ("node-2", ["a", "-b"])
    assert three["spec"]["containers"][0]["command"] == ["a", "-b"]
    assert (three["spec"]["restartPolicy"], three["metadata"]["labels"]) == ("Always", {"run": "three"})
    assert kubectl.json("get", "service", "four")["spec"]["selector"] == {"run": "four"}


def test_expose_makes_a_service_of_what_is_there(kubectl: Kubectl) -> None:
    """A workload's selector and ports, a pod's labels, another Service's; or what is told."""
    kubectl("create", "deployment", "web", "--image=web:1", "--port=90")
    kubectl("run", "one", "--image=web:1", "--labels=x=y")

    said = [
        kubectl("expose", "deployment/web"),
        kubectl("expose", "deployment", "web", "--name=front", "--port=80", "--target-port=http", "--type=NodePort"),
        kubectl("expose", "pod", "one", "--port=81", "--protocol=UDP", "--session-affinity=ClientIP"),
        kubectl("expose", "service", "front", "--name=second", "--port=82", "--selector=a=b", "--cluster-ip=None"),
    ]
    portless = kubectl.fails("expose", "pod", "one", "--name=none")
    wrong = kubectl.fails("expose", "configmap", "kube-root-ca.crt", "--port=1")

    assert said == [f"service/{name} exposed\n" for name in ("web", "front", "one", "second")]
    assert portless.startswith("error: couldn't find port via --port flag or introspection\n")
    assert wrong == "error: cannot expose a ConfigMap\n"
    web, front, one, second = (
        kubectl.json("get", "service", name)["spec"] for name in ("web", "front", "one", "second")
    )
    assert (web["selector"], web["ports"]) == ({"app": "web"}, [{"port": 90, "targetPort": 90, "protocol": "TCP"}])
    assert (front["type"], front["ports"][0]["targetPort"]) == ("NodePort", "http")
    assert 30000 <= front["ports"][0]["nodePort"] <= 32767
    assert (one["selector"], one["ports"][0]["protocol"], one["sessionAffinity"]) == ({"x": "y"}, "UDP", "ClientIP")
    assert (second["selector"], second["clusterIP"]) == ({"a": "b"}, "None")


def test_wait_ends_when_it_is_so_or_when_its_time_is_over(kubectl: Kubectl) -> None:
    """Conditions, deletion, and by a newer kubectl any field."""
    kubectl("create", "deployment", "web", "--image=web:1")
    kubectl("run", "one", "--image=web:1")

    available = kubectl("wait", "--for=condition=Available", "deployment/web", "--timeout=30s")
    ready = kubectl("wait", "--for=condition=Ready", "pod", "-l", "run=one", "--timeout=30s")
    never = kubectl.fails("wait", "--for=condition=Nope", "deployment/web", "--timeout=1s")
    false = kubectl("wait", "--for=condition=PodScheduled=True", "pod/one")
    missing = kubectl.fails("wait", "--for=condition=Ready", "pod/nope", "--timeout=1s")
    nobody = kubectl.fails("wait", "--for=condition=Ready", "pod", "-l", "run=nobody")
    staying = kubectl.fails("wait", "--for=delete", "pod/one", "--timeout=1s")
    kubectl("delete", "pod", "one", "--wait=false")
    going = kubectl.run("wait", "--for=delete", "pod/one", "--timeout=30s")
    gone = kubectl.run("wait", "--for=delete", "pod/nope", "--timeout=1s")

    assert (available, ready, false) == ("deployment.apps/web condition met\n", *["pod/one condition met\n"] * 2)
    late = "error: timed out waiting for the condition on {}\n"
    assert never.endswith(late.format("deployments/web"))
    assert staying.endswith(late.format("pods/one"))
    assert missing == 'Error from server (NotFound): pods "nope" not found\n'
    assert nobody == "error: no matching resources found\n"
    assert going.stdout in ("pod/one condition met\n", "")  # it may be gone before it is looked for
    assert "pod/one" not in kubectl("get", "pods", "-o", "name").split()
    field = "wait", "--for=jsonpath={.status.availableReplicas}=1", "deployment/web", "--timeout=30s"
    if kubectl.old:
        assert (gone.returncode, gone.stderr) == (1, "error: no matching resources found\n")
        assert "error: unrecognized condition" in kubectl.fails(*field)
        return
    assert (gone.returncode, gone.stdout, gone.stderr) == (0, "", "")
    assert kubectl(*field) == "deployment.apps/web condition met\n"
    assert kubectl("wait", "--for=create", "deployment/web") == "deployment.apps/web condition met\n"


def test_debug_adds_containers_to_a_pod(kubectl: Kubectl) -> None:
    """One after the other; 1.20 does it by an object that the API has with `--api-compat=1.20` only."""
    kubectl("run", "one", "--image=web:1")
    kubectl("wait", "--for=condition=Ready", "pod/one", "--timeout=30s")

    kubectl("debug", "one", "--image=busybox:1", "--container=first", "--target=one")
    kubectl("debug", "one", "--image=busybox:2", "--container=second", "--env=A=1")
    again = kubectl.fails("debug", "one", "--image=busybox:1", "--container=first")

    first, second = kubectl.json("get", "pod", "one")["spec"]["ephemeralContainers"]
    assert (first["name"], first["image"], first["targetContainerName"]) == ("first", "busybox:1", "one")
    assert (second["name"], second["env"]) == ("second", [{"name": "A", "value": "1"}])
    assert "first" in again
