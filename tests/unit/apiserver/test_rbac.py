"""Role-based access control: decisions, their reasons, defaults, and the guard against escalation."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from control.apiserver import authn, authz, server
from control.apiserver.rbac import controllers, defaults, reconcile, rules
from fairlead.api import errors, objects
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import rbac_v1_pb2 as rbacv1
from fairlead.testing import control

GROUP = rules.GROUP
JANE = authn.user("jane", ("devs",))
ROBOT = authn.user("system:serviceaccount:prod:robot")


def role(name: str, *lines: str, namespace: str = "") -> Any:
    """A Role, or a ClusterRole where no namespace is given."""
    made = rbacv1.Role() if namespace else rbacv1.ClusterRole()
    made.metadata.name, made.metadata.namespace = name, namespace
    made.rules.extend(defaults.rule(line) for line in lines)
    return made


def binding(name: str, role_name: str, *subjects: str, namespace: str = "", kind: str = "ClusterRole") -> Any:
    """A RoleBinding, or a ClusterRoleBinding where no namespace is given."""
    made = rbacv1.RoleBinding() if namespace else rbacv1.ClusterRoleBinding()
    made.metadata.name, made.metadata.namespace = name, namespace
    made.roleRef.apiGroup, made.roleRef.kind, made.roleRef.name = GROUP, kind, role_name
    made.subjects.extend(defaults._subject(one) for one in subjects)
    return made


@contextlib.asynccontextmanager
async def cluster(*objs: Any) -> AsyncIterator[server.ApiServer]:
    """A cluster that has some roles and bindings."""
    async with control.memory_api() as api:
        admin = api.as_user(*control.ADMIN)
        for obj in objs:
            await admin.create(obj)
        await api.cache.fresh()
        yield api


def ask(
    api: server.ApiServer,
    user: authn.User,
    verb: str,
    resource: str,
    name: str = "",
    *,
    group: str = "",
    namespace: str = "default",
) -> authz.Decision:
    """Ask about `pods` or `pods/status`."""
    plural, _, subresource = resource.partition("/")
    return api.authorizer.authorize(authz.Attributes(user, verb, group, plural, subresource, namespace, name))


READER = role("reader", "get list | core | pods")

MATCHING: Sequence[tuple[str, str, str, str, str, bool]] = [
    ("get | core | pods", "get", "", "pods", "web", True),
    ("get | core | pods", "list", "", "pods", "", False),
    ("get | core | pods", "get", "apps", "pods", "web", False),
    ("get | core | pods", "get", "", "pods/log", "web", False),
    ("get | core | pods/log", "get", "", "pods/log", "web", True),
    ("get | core | pods/log", "get", "", "pods", "web", False),
    ("* | core | pods", "deletecollection", "", "pods", "", True),
    ("get | * | pods", "get", "metrics.k8s.io", "pods", "web", True),
    ("get | core | *", "get", "", "secrets", "x", True),
    ("get | core | *", "get", "", "pods/exec", "x", True),
    ("update | * | */scale", "update", "apps", "deployments/scale", "web", True),
    ("update | * | */scale", "update", "apps", "deployments", "web", False),
    ("update | * | */scale", "update", "apps", "deployments/status", "web", False),
    ("get | core | secrets | a b", "get", "", "secrets", "b", True),
    ("get | core | secrets | a b", "get", "", "secrets", "c", False),
    ("list | core | secrets | a b", "list", "", "secrets", "", False),
]


@pytest.mark.parametrize(("line", "verb", "group", "resource", "name", "may"), MATCHING)
def test_a_rule_grants_what_kubernetes_rules_grant(
    line: str, verb: str, group: str, resource: str, name: str, may: bool
) -> None:
    """Verbs, groups, resources with subresources, names, and `*` in each place."""
    plural, _, subresource = resource.partition("/")
    asked = authz.Attributes(JANE, verb, group, plural, subresource, "default", name)

    assert rules.compiled([defaults.rule(line)])[0].allows(asked) == may


@pytest.mark.parametrize(
    ("line", "verb", "path", "may"),
    [
        ("get | /healthz", "get", "/healthz", True),
        ("get | /healthz", "get", "/healthz/etcd", False),
        ("get | /healthz*", "get", "/healthz/etcd", True),
        ("get | /apis/*", "get", "/apis/apps", True),
        ("get | /apis/*", "get", "/apis", False),
        ("* | *", "post", "/anything", True),
        ("get | /metrics", "post", "/metrics", False),
        ("get | core | *", "get", "/metrics", False),
    ],
)
def test_a_rule_grants_urls(line: str, verb: str, path: str, may: bool) -> None:
    """A URL may end in a star."""
    assert rules.compiled([defaults.rule(line)])[0].allows(authz.Attributes(JANE, verb, path=path)) == may


async def test_a_decision_names_the_binding_as_kubernetes_does() -> None:
    """By user in one namespace, by group in the cluster, by service account."""
    async with cluster(
        READER,
        role("local", "get | core | secrets", namespace="default"),
        binding("janes", "local", "User jane", namespace="default", kind="Role"),
        binding("devs", "reader", "Group devs"),
        binding("robots", "reader", "ServiceAccount prod/robot", namespace="default"),
    ) as api:
        got = [
            ask(api, JANE, "get", "secrets", "x").reason,
            ask(api, JANE, "list", "pods", namespace="kube-system").reason,
            ask(api, ROBOT, "get", "pods", "web").reason,
        ]

        assert got == [
            'RBAC: allowed by RoleBinding "janes/default" of Role "local" to User "jane"',
            'RBAC: allowed by ClusterRoleBinding "devs" of ClusterRole "reader" to Group "devs"',
            'RBAC: allowed by RoleBinding "robots/default" of ClusterRole "reader" to ServiceAccount "robot/prod"',
        ]
        assert not ask(api, JANE, "get", "secrets", "x", namespace="kube-system").allowed
        assert not ask(api, ROBOT, "get", "pods", "web", namespace="prod").allowed


async def test_a_refusal_tells_of_a_role_that_is_not_there() -> None:
    """In Kubernetes' words, after what was asked."""
    async with cluster(binding("devs", "gone", "Group devs")) as api:
        with pytest.raises(errors.Forbidden) as caught:
            await api.client(JANE).list(corev1.Pod, "default")

    assert caught.value.message == (
        'pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default":'
        ' RBAC: clusterrole.rbac.authorization.k8s.io "gone" not found'
    )


async def test_a_change_counts_at_the_next_request() -> None:
    """Bindings come and go, roles change, and what was remembered is forgotten."""
    async with cluster() as api:
        admin = api.as_user(*control.ADMIN)
        got = []

        async def look() -> None:
            await api.cache.fresh()
            got.append((ask(api, JANE, "list", "pods").allowed, ask(api, JANE, "list", "secrets").allowed))

        await look()
        bound = await admin.create(binding("devs", "reader", "Group devs"))
        await look()
        made = await admin.create(objects.copy(READER))
        await look()
        made.rules.append(defaults.rule("list | core | secrets"))
        await admin.update(made)
        await look()
        bound.subjects[0].name = "ops"
        await admin.update(bound)
        await look()

    assert got == [(False, False), (False, False), (True, False), (True, True), (False, False)]


VERBS = st.sampled_from(["get", "list", "*"])
RESOURCES = st.sampled_from(["pods", "secrets", "pods/log", "*", "*/log"])
LINES = st.builds("{} | core | {}".format, VERBS, RESOURCES)
SUBJECT = st.sampled_from(
    ["User jane", "Group devs", "User joe", "ServiceAccount prod/robot", "Group system:authenticated"]
)
PLACES = st.sampled_from(["", "default", "prod"])


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(
    st.lists(LINES, min_size=3, max_size=3),
    st.lists(st.tuples(PLACES, st.integers(0, 3), st.lists(SUBJECT, max_size=2)), max_size=5),
)
async def test_the_index_decides_as_a_scan_of_all_bindings_does(
    lines: list[str], bindings: list[tuple[str, int, list[str]]]
) -> None:
    """Whatever roles and bindings there are; role 3 does not exist."""
    async with control.memory_api(detect_mutations=False) as api:
        admin = api.as_user(*control.ADMIN)
        namespace = corev1.Namespace()
        namespace.metadata.name = "prod"
        await admin.create(namespace)
        for number, line in enumerate(lines):
            await admin.create(role(f"role-{number}", line))
        for number, (place, which, subjects) in enumerate(bindings):
            await admin.create(binding(f"binding-{number}", f"role-{which}", *subjects, namespace=place))
        await api.cache.fresh()

        for user in (JANE, ROBOT, authn.user("joe")):
            for place in ("", "default", "prod"):
                for verb in ("get", "list"):
                    for resource in ("pods", "secrets", "pods/log"):
                        asked = authz.Attributes(user, verb, "", *[*resource.split("/"), ""][:2], place, "x")
                        scanned = any(
                            which < 3
                            and bound in ("", place)
                            and any(_holds(subject, user) for subject in subjects)
                            and rules.compiled([defaults.rule(lines[which])])[0].allows(asked)
                            for bound, which, subjects in bindings
                        )
                        assert api.rbac.authorize(asked).allowed == scanned, asked


def _holds(subject: str, user: authn.User) -> bool:
    kind, _, name = subject.partition(" ")
    if kind == "ServiceAccount":
        return user.name == f"system:serviceaccount:{name.replace('/', ':')}"
    return name == user.name if kind == "User" else name in user.groups


# Who may do what by default

ELECTED = ("system:kube-scheduler", "system:kube-controller-manager")


@pytest.mark.parametrize(
    ("user", "verb", "resource", "group", "may"),
    [
        ("system:kube-scheduler", "create", "pods/binding", "", True),
        ("system:kube-scheduler", "delete", "pods", "", True),
        ("system:kube-scheduler", "update", "pods", "", False),
        ("system:kube-scheduler", "list", "secrets", "", False),
        ("system:kube-controller-manager", "list", "secrets", "", True),
        ("system:kube-controller-manager", "delete", "pods", "", False),
        ("system:kube-controller-manager", "get", "pods", "", False),
        ("system:kube-scheduler", "update", "leases", "coordination.k8s.io", False),
        ("system:serviceaccount:kube-system:expand-controller", "get", "services", "", True),
        ("system:serviceaccount:kube-system:replicaset-controller", "create", "pods", "", True),
        ("system:serviceaccount:kube-system:replicaset-controller", "create", "deployments", "apps", False),
        ("system:serviceaccount:kube-system:namespace-controller", "deletecollection", "leases", "x.io", True),
        ("system:serviceaccount:kube-system:horizontal-pod-autoscaler", "update", "things/scale", "x.io", True),
        ("system:serviceaccount:default:replicaset-controller", "create", "pods", "", False),
        ("system:fairlead-dispatcher", "watch", "secrets", "", True),
        ("system:fairlead-dispatcher", "delete", "nodes", "", False),
        ("joe", "create", "selfsubjectaccessreviews", "authorization.k8s.io", True),
        ("joe", "create", "subjectaccessreviews", "authorization.k8s.io", False),
    ],
)
async def test_the_control_planes_users_have_their_roles(
    user: str, verb: str, resource: str, group: str, may: bool
) -> None:
    """What Kubernetes grants them, no more."""
    async with cluster() as api:
        assert ask(api, authn.user(user), verb, resource, "x", group=group).allowed == may


@pytest.mark.parametrize(("user", "lease"), [(one, one.removeprefix("system:")) for one in ELECTED])
async def test_who_stands_for_election_writes_its_own_lease(user: str, lease: str) -> None:
    """And no other: a node's lease is nothing to the scheduler."""
    async with cluster() as api:
        one = authn.user(user)
        may = [ask(api, one, "update", "leases", name, group="coordination.k8s.io").allowed for name in (lease, "n1")]

    assert may == [True, False]


def test_default_rules_stand_as_kubernetes_has_them() -> None:
    """Rule for rule and in order, the lists of each sorted: what `kubectl get clusterrole -o yaml` shows."""
    roles = {one.metadata.name: one for one in defaults.objects() if isinstance(one, rbacv1.ClusterRole)}

    binder = [defaults.rule(line) for line in controllers.CLUSTER_ROLES["persistent-volume-binder"]]
    events = rbacv1.PolicyRule(
        verbs=["create", "patch", "update"], apiGroups=["", "events.k8s.io"], resources=["events"]
    )

    assert binder[7] == events
    assert list(roles["system:controller:persistent-volume-binder"].rules) == binder
    assert [(list(one.verbs), list(one.resources)) for one in roles["system:node"].rules[3:6]] == [
        (["create", "get", "list", "watch"], ["nodes"]),
        (["patch", "update"], ["nodes/status"]),
        (["patch", "update"], ["nodes"]),
    ]


async def test_peers_may_relay_and_nothing_more() -> None:
    """Group system:fairlead-control."""
    peer = authn.User("system:fairlead-control:control-1", (authn.CONTROL_PEERS,))
    async with cluster() as api:
        got = [
            ask(api, peer, verb, resource, "x").allowed
            for verb, resource in (
                ("get", "pods/log"),
                ("create", "pods/exec"),
                ("get", "secrets"),
                ("delete", "pods"),
            )
        ]

    assert got == [True, True, False, False]


async def test_defaults_get_back_what_they_lack_and_keep_what_was_added() -> None:
    """Unless autoupdate is off; a second start then writes nothing."""
    async with cluster() as api:
        admin = api.as_user(*control.ADMIN)
        scheduler = objects.copy(await admin.get(rbacv1.ClusterRole, "system:kube-scheduler"))
        whole = list(scheduler.rules)
        del scheduler.rules[:]
        scheduler.rules.append(defaults.rule("get | core | secrets"))
        await admin.update(scheduler)
        discovery = objects.copy(await admin.get(rbacv1.ClusterRole, "system:discovery"))
        del discovery.rules[:]
        discovery.metadata.annotations[defaults.AUTOUPDATE] = "false"
        await admin.update(discovery)
        bound = objects.copy(await admin.get(rbacv1.ClusterRoleBinding, "system:kube-scheduler"))
        bound.subjects[0].name = "someone"
        await admin.update(bound)

        written = await reconcile.ensure(admin)

        assert sorted(written) == ["ClusterRole system:kube-scheduler", "ClusterRoleBinding system:kube-scheduler"]
        mended = await admin.get(rbacv1.ClusterRole, "system:kube-scheduler")
        assert list(mended.rules) == [defaults.rule("get | core | secrets"), *whole]
        assert not (await admin.get(rbacv1.ClusterRole, "system:discovery")).rules
        subjects = (await admin.get(rbacv1.ClusterRoleBinding, "system:kube-scheduler")).subjects
        assert [one.name for one in subjects] == ["someone", "system:kube-scheduler"]
        assert await reconcile.ensure(admin) == []


# Nobody grants what it has not

MANAGER = role(
    "manager",
    "create update | rbac.authorization.k8s.io | roles rolebindings clusterroles clusterrolebindings",
    "get list | core | pods",
)
MANAGES = binding("manages", "manager", "User jane")


async def test_a_role_with_rights_that_its_writer_lacks_is_refused() -> None:
    """In Kubernetes' words, with what is lacking."""
    async with cluster(MANAGER, MANAGES) as api:
        jane = api.client(JANE)
        await jane.create(role("fine", "get | core | pods", namespace="default"))
        with pytest.raises(errors.Forbidden) as caught:
            await jane.create(
                role("more", "get delete watch | core | pods", "get | apps | deployments", namespace="default")
            )

    assert caught.value.message == (
        'roles.rbac.authorization.k8s.io "more" is forbidden: user "jane" (groups=["devs" "system:authenticated"])'
        " is attempting to grant RBAC permissions not currently held:\n"
        '{APIGroups:[""], Resources:["pods"], Verbs:["delete" "watch"]}\n'
        '{APIGroups:["apps"], Resources:["deployments"], Verbs:["get"]}'
    )


async def test_an_aggregated_role_needs_all_rights() -> None:
    """Because it can gather anything."""
    gathering = role("gathering")
    gathering.aggregationRule.clusterRoleSelectors.add().matchLabels["a"] = "b"
    async with cluster(MANAGER, MANAGES) as api:
        with pytest.raises(errors.Forbidden, match="must have cluster-admin privileges to use the aggregationRule"):
            await api.client(JANE).create(gathering)


async def test_escalate_and_bind_lift_the_guard() -> None:
    """The two verbs of their own."""
    lifted = role("lifted", "escalate bind | rbac.authorization.k8s.io | roles clusterroles | more cluster-admin")
    async with cluster(MANAGER, MANAGES, lifted, binding("lifted", "lifted", "User jane")) as api:
        jane = api.client(JANE)
        await jane.create(role("more", "get | core | secrets", namespace="default"))
        await jane.create(binding("all", "cluster-admin", "User jane"))
        with pytest.raises(errors.Forbidden):
            await jane.create(role("other", "get | core | secrets", namespace="default"))


async def test_a_binding_to_a_role_with_more_rights_is_refused() -> None:
    """As is one to a role that does not exist."""
    async with cluster(MANAGER, MANAGES, READER) as api:
        jane = api.client(JANE)
        made = await jane.create(binding("fine", "reader", "User joe"))
        made.metadata.labels["changed"] = "yes"
        await jane.update(made)
        with pytest.raises(errors.Forbidden) as caught:
            await jane.create(binding("all", "cluster-admin", "User jane"))
        with pytest.raises(errors.NotFound) as missing:
            await jane.create(binding("none", "gone", "User jane"))

    assert caught.value.message == (
        'clusterrolebindings.rbac.authorization.k8s.io "all" is forbidden: user "jane" (groups=["devs"'
        ' "system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n'
        '{APIGroups:["*"], Resources:["*"], Verbs:["*"]}\n{NonResourceURLs:["*"], Verbs:["*"]}'
    )
    assert missing.value.message == 'clusterrole.rbac.authorization.k8s.io "gone" not found'


async def test_roles_and_bindings_are_validated() -> None:
    """With Kubernetes' paths and words."""
    bad = role("bad", namespace="default")
    bad.rules.add(apiGroups=[""], resources=["pods"])
    bad.rules.add(verbs=["get"], nonResourceURLs=["/x"])
    gathering = role("gathering")
    gathering.rules.add(verbs=["get"], nonResourceURLs=["/x"], resources=["pods"])
    gathering.aggregationRule.clusterRoleSelectors.add().matchExpressions.add(key="a", operator="Odd")
    wrong = binding("wrong", "x", namespace="default", kind="Thing")
    wrong.subjects.add(kind="Robot", name="r")
    async with cluster() as api:
        admin = api.as_user(*control.ADMIN)
        with pytest.raises(errors.Invalid) as role_error:
            await admin.create(bad)
        with pytest.raises(errors.Invalid) as gathering_error:
            await admin.create(gathering)
        with pytest.raises(errors.Invalid) as binding_error:
            await admin.create(wrong)
        kept = objects.copy(await admin.get(rbacv1.ClusterRoleBinding, "cluster-admin"))
        kept.roleRef.name = "view"
        with pytest.raises(errors.Invalid, match="cannot change roleRef"):
            await admin.update(kept)

    assert [f"{one.field}: {one.message}" for one in role_error.value.causes] == [
        "rules[0].verbs: Required value: verbs must contain at least one value",
        'rules[1].nonResourceURLs: Invalid value: []string{"/x"}: namespaced rules cannot apply to non-resource URLs',
    ]
    selector = "aggregationRule.clusterRoleSelectors[0]"
    assert [f"{one.field}: {one.message}" for one in gathering_error.value.causes] == [
        'rules[0].nonResourceURLs: Invalid value: []string{"/x"}: rules cannot apply to both regular resources and'
        " non-resource URLs",
        f'{selector}.matchExpressions[0].operator: Invalid value: "Odd": not a valid selector operator',
        f'{selector}: Invalid value: "null": invalid label selector.',
    ]
    assert [f"{one.field}: {one.message}" for one in binding_error.value.causes] == [
        'roleRef.kind: Unsupported value: "Thing": supported values: "Role", "ClusterRole"',
        'subjects[0].kind: Unsupported value: "Robot": supported values: "ServiceAccount", "User", "Group"',
    ]
