"""kubectl create: every generator, and the object that it made."""

from __future__ import annotations

import base64
import datetime
import json
import pathlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.clients.whole.conftest import Kubectl
from tests.clients.whole.manifests import CONFIG, DEPLOYMENT, OTHER


def test_create_makes_what_a_manifest_says_once(kubectl: Kubectl) -> None:
    """A second time it is there already; generateName gives a new name each time."""
    both = CONFIG + "---" + OTHER
    generated = "apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: gen-}\n"

    made = kubectl("create", "-f", "-", stdin=both)
    again = kubectl.fails("create", "-f", "-", stdin=both)
    saved = kubectl("create", "-f", "-", "--save-config", "-o", "name", stdin=generated).strip()

    assert made == "configmap/one created\nconfigmap/two created\n"
    assert again == "".join(
        f'Error from server (AlreadyExists): error when creating "STDIN": configmaps "{name}" already exists\n'
        for name in ("one", "two")
    )
    found = kubectl.json("get", saved)["metadata"]
    assert found["name"].startswith("gen-")
    assert len(found["name"]) == len("gen-") + 5
    assert "kubectl.kubernetes.io/last-applied-configuration" in found["annotations"]


def test_create_raw_posts_what_it_is_given(kubectl: Kubectl) -> None:
    """And prints the answer."""
    body = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "raw"}})

    answer = kubectl("create", "--raw", "/api/v1/namespaces/default/configmaps", "-f", "-", stdin=body)

    assert json.loads(answer)["metadata"]["uid"] == kubectl("get", "cm/raw", "-o", "jsonpath={.metadata.uid}")


def test_configmaps_are_made_of_literals_files_and_environment_files(
    kubectl: Kubectl, tmp_path: pathlib.Path
) -> None:
    """Bytes that are no text go into binaryData."""
    (tmp_path / "text").write_text("hello")
    (tmp_path / "bytes").write_bytes(b"\xff\x00")
    (tmp_path / "env").write_text("# a comment\nA=1\nB=two words\n")

    kubectl("create", "configmap", "literals", "--from-literal=a=b", "--from-literal=c=d=e")
    kubectl("create", "cm", "files", f"--from-file={tmp_path}/text", f"--from-file=named={tmp_path}/bytes")
    kubectl("create", "cm", "env", f"--from-env-file={tmp_path}/env")
    shown = kubectl.json("get", "cm", "literals", "files", "env")["items"]
    twice = kubectl.fails("create", "cm", "literals")

    assert [each.get("data") for each in shown] == [
        {"a": "b", "c": "d=e"},
        {"text": "hello"},
        {"A": "1", "B": "two words"},
    ]
    assert shown[1]["binaryData"] == {"named": "/wA="}
    assert 'configmaps "literals" already exists' in twice


@pytest.fixture
def pair(tmp_path: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    """A certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "web")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(1))
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    (tmp_path / "tls.crt").write_bytes(certificate)
    (tmp_path / "tls.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
    return tmp_path / "tls.crt", tmp_path / "tls.key"


def test_secrets_are_generic_of_a_certificate_or_of_a_registry(
    kubectl: Kubectl, pair: tuple[pathlib.Path, pathlib.Path]
) -> None:
    """Each has its type and its keys."""
    certificate, key = pair
    registry = ("--docker-server=r.example", "--docker-username=u", "--docker-password=p", "--docker-email=e@x")

    said = [
        kubectl("create", "secret", "generic", "plain", "--from-literal=p=s", "--type=my/type"),
        kubectl("create", "secret", "tls", "web", f"--cert={certificate}", f"--key={key}"),
        kubectl("create", "secret", "docker-registry", "pull", *registry),
    ]
    plain, web, pull = kubectl.json("get", "secrets", "plain", "web", "pull")["items"]

    assert said == [f"secret/{name} created\n" for name in ("plain", "web", "pull")]
    assert (plain["type"], base64.b64decode(plain["data"]["p"])) == ("my/type", b"s")
    assert web["type"] == "kubernetes.io/tls"
    assert base64.b64decode(web["data"]["tls.crt"]) == certificate.read_bytes()
    assert base64.b64decode(web["data"]["tls.key"]) == key.read_bytes()
    assert pull["type"] == "kubernetes.io/dockerconfigjson"
    assert json.loads(base64.b64decode(pull["data"][".dockerconfigjson"])) == {
        "auths": {"r.example": {"username": "u", "password": "p", "email": "e@x", "auth": "dTpw"}}
    }


def test_a_deployment_is_made_of_an_image_and_a_command(kubectl: Kubectl) -> None:
    """Labels, replicas, port; a dry run prints what it would have sent."""
    said = kubectl(
        "create", "deployment", "web", "--image=repo/web:1", "--replicas=2", "--port=80", "--", "serve", "-x"
    )
    dry = kubectl("create", "deployment", "dry", "--image=a:1", "--image=b:2", "--dry-run=client", "-o", "yaml")
    server = kubectl("create", "deployment", "dry", "--image=a:1", "--dry-run=server")
    bad = kubectl.fails("create", "deployment", "Bad", "--image=a")

    spec = kubectl.json("get", "deployment/web")["spec"]
    assert said == "deployment.apps/web created\n"
    assert (spec["replicas"], spec["selector"]["matchLabels"]) == (2, {"app": "web"})
    (container,) = spec["template"]["spec"]["containers"]
    assert (container["name"], container["image"], container["command"]) == ("web", "repo/web:1", ["serve", "-x"])
    assert [port["containerPort"] for port in container["ports"]] == [80]
    assert dry == (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  creationTimestamp: null\n  labels:\n    app: dry\n"
        "  name: dry\nspec:\n  replicas: 1\n  selector:\n    matchLabels:\n      app: dry\n  strategy: {}\n"
        "  template:\n    metadata:\n      creationTimestamp: null\n      labels:\n        app: dry\n    spec:\n"
        "      containers:\n      - image: a:1\n        name: a\n        resources: {}\n      - image: b:2\n"
        "        name: b\n        resources: {}\nstatus: {}\n"
    )
    assert server == "deployment.apps/dry created (server dry run)\n"
    assert bad.startswith(
        'error: failed to create deployment: Deployment.apps "Bad" is invalid: metadata.name: Invalid '
    )
    assert kubectl("get", "deployments", "-o", "name") == "deployment.apps/web\n"


def test_jobs_and_cronjobs_are_made_and_a_job_of_a_cronjob(kubectl: Kubectl) -> None:
    """1.20 looks for a batch/v1beta1 CronJob behind --from and does not know batch/v1's."""
    kubectl("create", "job", "once", "--image=i", "--", "echo", "hi")
    said = kubectl("create", "cronjob", "often", "--image=i", "--schedule=*/5 * * * *", "--", "date")
    bad = kubectl.fails("create", "cronjob", "never", "--image=i", "--schedule=* *")

    assert said == "cronjob.batch/often created\n"
    assert 'CronJob.batch "never" is invalid: spec.schedule: Invalid value: "* *"' in bad
    once = kubectl.json("get", "job/once")["spec"]["template"]["spec"]
    assert (once["containers"][0]["command"], once["restartPolicy"]) == (["echo", "hi"], "Never")
    often = kubectl.json("get", "cronjob/often")
    assert often["spec"]["schedule"] == "*/5 * * * *"
    if kubectl.old:
        assert 'no kind "CronJob" is registered for version "batch/v1"' in kubectl.fails(
            "create", "job", "now", "--from=cronjob/often"
        )
        return
    assert kubectl("create", "job", "now", "--from=cronjob/often") == "job.batch/now created\n"
    now = kubectl.json("get", "job/now")
    (owner,) = now["metadata"]["ownerReferences"]
    assert now["metadata"]["annotations"]["cronjob.kubernetes.io/instantiate"] == "manual"
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("CronJob", often["metadata"]["uid"], True)
    assert now["spec"]["template"]["spec"]["containers"][0]["command"] == ["date"]


def test_services_of_each_type_are_made(kubectl: Kubectl) -> None:
    """Addresses and node ports are given by the API."""
    for words in (
        ("clusterip", "inner", "--tcp=80:8080"),
        ("clusterip", "headless", "--clusterip=None"),
        ("nodeport", "outer", "--tcp=80", "--node-port=30010"),
        ("loadbalancer", "balanced", "--tcp=443:https"),
        ("externalname", "elsewhere", "--external-name=db.example"),
    ):
        assert kubectl("create", "service", *words) == f"service/{words[1]} created\n"
    taken = kubectl.fails("create", "service", "nodeport", "second", "--tcp=80", "--node-port=30010")
    rows = {row[0]: row[1:5] for row in kubectl.rows("get", "services")}

    assert {name: (row[0], row[2]) for name, row in rows.items() if name not in ("NAME", "kubernetes")} == {
        "inner": ("ClusterIP", "<none>"),
        "headless": ("ClusterIP", "<none>"),
        "outer": ("NodePort", "<none>"),
        "balanced": ("LoadBalancer", "<pending>"),
        "elsewhere": ("ExternalName", "db.example"),
    }
    assert (rows["inner"][3], rows["headless"][1], rows["outer"][3]) == ("80/TCP", "None", "80:30010/TCP")
    assert rows["elsewhere"][1] == "<none>"
    inner = kubectl.json("get", "service/inner")["spec"]
    assert inner["selector"] == {"app": "inner"}
    assert inner["ports"] == [{"name": "80-8080", "port": 80, "protocol": "TCP", "targetPort": 8080}]
    assert kubectl("get", "service/balanced", "-o", "jsonpath={.spec.ports[0].targetPort}") == "https"
    assert taken == (
        'error: failed to create NodePort service: Service "second" is invalid: spec.ports[0].nodePort: Invalid '
        "value: 30010: provided port is already allocated\n"
    )


def test_roles_and_bindings_are_made_and_hold(kubectl: Kubectl) -> None:
    """What the role grants is granted to the subjects, by name where names are given."""
    said = kubectl(
        "create", "role", "reader", "--verb=get,list", "--resource=pods,deployments.apps", "--resource-name=web"
    )
    unknown = kubectl.run("create", "role", "odd", "--verb=get", "--resource=nonsense")
    kubectl("create", "rolebinding", "readers", "--role=reader", "--user=ada", "--group=crew")
    kubectl("create", "rolebinding", "viewers", "--clusterrole=view", "--serviceaccount=default:robot")
    wide = kubectl.rows("get", "rolebindings", "-o", "wide")
    rules = kubectl.json("get", "role/reader")["rules"]

    assert said == "role.rbac.authorization.k8s.io/reader created\n"
    assert rules == [
        {"apiGroups": [group], "resources": [resource], "resourceNames": ["web"], "verbs": ["get", "list"]}
        for group, resource in (("", "pods"), ("apps", "deployments"))
    ]
    assert (unknown.returncode, unknown.stderr) == (1, 'the server doesn\'t have a resource type "nonsense"\n')
    assert wide[0] == ["NAME", "ROLE", "AGE", "USERS", "GROUPS", "SERVICEACCOUNTS"]
    assert [row[:2] for row in wide[1:]] == [["readers", "Role/reader"], ["viewers", "ClusterRole/view"]]
    assert (wide[1][3:], wide[2][-1]) == (["ada", "crew"], "default/robot")
    assert kubectl("auth", "can-i", "get", "pods/web", "--as=ada") == "yes\n"
    assert kubectl("auth", "can-i", "list", "services", "--as=system:serviceaccount:default:robot") == "yes\n"


def test_cluster_roles_are_made_of_rules_urls_or_other_roles(kubectl: Kubectl) -> None:
    """What an aggregated role grants is what its parts grant."""
    kubectl("create", "clusterrole", "nodes", "--verb=get", "--resource=nodes,nodes/status")
    kubectl("create", "clusterrole", "logs", "--verb=get", "--non-resource-url=/logs/*")
    kubectl("create", "clusterrole", "all", "--aggregation-rule=part=yes")
    kubectl("label", "clusterrole/nodes", "clusterrole/logs", "part=yes")
    kubectl("create", "clusterrolebinding", "everything", "--clusterrole=all", "--user=ada", "--group=crew")
    kubectl.until("get", "clusterrole/all", "-o", "jsonpath={.rules[*].verbs}", says='["get"] ["get"]')

    rules = {name: kubectl.json("get", f"clusterrole/{name}")["rules"] for name in ("nodes", "logs", "all")}
    assert rules["nodes"] == [{"apiGroups": [""], "resources": ["nodes", "nodes/status"], "verbs": ["get"]}]
    assert rules["logs"] == [{"nonResourceURLs": ["/logs/*"], "verbs": ["get"]}]
    assert sorted(map(str, rules["all"])) == sorted(map(str, rules["nodes"] + rules["logs"]))
    assert kubectl("auth", "can-i", "get", "/logs/syslog", "--as=ada") == "yes\n"


def test_policies_and_classes_are_made(kubectl: Kubectl) -> None:
    """Quota, priority class, disruption budget, ingress, namespace."""
    said = [
        kubectl("create", "namespace", "lab"),
        kubectl("create", "quota", "few", "--hard=pods=3,cpu=1", "--scopes=NotTerminating"),
        kubectl("create", "priorityclass", "high", "--value=5", "--description=first", "--preemption-policy=Never"),
        kubectl("create", "poddisruptionbudget", "keep", "--selector=app=web", "--min-available=1"),
        kubectl(
            "create", "ingress", "web", "--class=front", "--rule=web.example/shop*=shop:http,tls=cert",
            "--default-backend=rest:80", "--annotation=a=b",
        ),
    ]  # fmt: skip

    assert [line.split()[0] for line in said] == [
        "namespace/lab",
        "resourcequota/few",
        "priorityclass.scheduling.k8s.io/high",
        "poddisruptionbudget.policy/keep",
        "ingress.networking.k8s.io/web",
    ]
    few, high, keep, web, lab = kubectl.json("get", "quota/few", "pc/high", "pdb/keep", "ing/web", "ns/lab")["items"]
    assert few["spec"] == {"hard": {"cpu": "1", "pods": "3"}, "scopes": ["NotTerminating"]}
    assert (high["value"], high["description"], high["preemptionPolicy"]) == (5, "first", "Never")
    assert keep["spec"] == {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}
    assert web["metadata"]["annotations"] == {"a": "b"}
    assert web["spec"] == {
        "defaultBackend": {"service": {"name": "rest", "port": {"number": 80}}},
        "ingressClassName": "front",
        "rules": [
            {
                "host": "web.example",
                "http": {
                    "paths": [
                        {
                            "backend": {"service": {"name": "shop", "port": {"name": "http"}}},
                            "path": "/shop",
                            "pathType": "Prefix",
                        }
                    ]
                },
            }
        ],
        "tls": [{"hosts": ["web.example"], "secretName": "cert"}],
    }
    assert lab["status"]["phase"] == "Active"


def test_a_service_account_is_made_and_given_tokens(kubectl: Kubectl) -> None:
    """1.20 has no `create token`; what it prints proves who one is."""
    assert kubectl("create", "serviceaccount", "robot") == "serviceaccount/robot created\n"
    if kubectl.old:
        assert "unknown flag: --duration" in kubectl.fails("create", "token", "robot", "--duration=10m")
        return
    token = kubectl("create", "token", "robot", "--duration=10m").strip()
    whole = kubectl.json("create", "token", "robot", "--audience=x")
    missing = kubectl.fails("create", "token", "nobody")

    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert (claims["sub"], claims["exp"] - claims["iat"]) == ("system:serviceaccount:default:robot", 600)
    assert (whole["kind"], whole["spec"]["audiences"], whole["spec"]["expirationSeconds"]) == (
        "TokenRequest",
        ["x"],
        3600,
    )
    assert sorted(whole["metadata"]) == ["creationTimestamp", "name", "namespace"]
    assert missing == 'error: failed to create token: serviceaccounts "nobody" not found\n'
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
    answer = kubectl("create", "-f", "-", "-o", "jsonpath={.status.user.username}", stdin=json.dumps(review))
    assert answer == "system:serviceaccount:default:robot"


@pytest.mark.parametrize(
    ("manifest", "told"),
    [
        (
            CONFIG.replace("k: v", "k: 1"),
            'ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go '
            "struct field ConfigMap.data of type string",
        ),
        (
            DEPLOYMENT.replace('"web:1"', "[web]"),
            'Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal array into Go '
            "struct field Container.spec.template.spec.containers.image of type string",
        ),
        (
            "apiVersion: v1\nkind: Secret\nmetadata: {name: key}\ndata: {password: plain}\n",
            'Secret in version "v1" cannot be handled as a Secret: illegal base64 data at input byte 4',
        ),
    ],
    ids=["number", "list", "base64"],
)
def test_a_value_that_does_not_fit_is_told_in_the_words_that_people_search_for(
    kubectl: Kubectl, manifest: str, told: str
) -> None:
    """Those of Go's decoder."""
    said = kubectl.fails("create", "--validate=false", "-f", "-", stdin=manifest)

    assert said == f'Error from server (BadRequest): error when creating "STDIN": {told}\n'
