"""What clients ask before they log in: providers, overviews, the start of a redirect, uiconfig."""
import json
import os

import pytest

import keys

USERS = {"authentication-type": "dcos-uid-password", "description": "Default DC/OS login provider",
         "client-method": "dcos-usercredential-post-receive-authtoken",
         "config": {"start_flow_url": "/acs/api/v1/auth/login"}}
SERVICES = {"authentication-type": "dcos-uid-servicekey", "description": "Default DC/OS login provider",
            "client-method": "dcos-servicecredential-post-receive-authtoken",
            "config": {"start_flow_url": "/acs/api/v1/auth/login"}}
AUTH0 = {"authentication-type": "oidc-implicit-flow",
         "description": "DC/OS Auth0-based SSO through Google, GitHub, or Microsoft",
         "client-method": "browser-prompt-oidcidtoken-get-authtoken", "config": {"start_flow_url": "/login"}}


def test_users_and_services_are_the_providers(nobody, gw):
    for client in (nobody, gw):
        document = client.get("/auth/providers").json()
        assert document == {"dcos-users": USERS, "dcos-services": SERVICES}
        assert list(document["dcos-users"]) == list(USERS)


@pytest.mark.parametrize("key", ["dcos-oidc-auth0", "my-idp"])
def test_id_token_login_is_listed_where_it_is_configured(new_daemon, key):
    options = {} if key == "dcos-oidc-auth0" else {"id_token_provider_key": key}
    daemon = new_daemon(id_token_issuer="https://issuer.example/", id_token_audience="a", **options).start()
    document = daemon.client().get("/auth/providers").json()
    assert set(document) == {"dcos-users", "dcos-services", key}
    entry = document[key]
    assert entry == {**AUTH0, "description": entry["description"]}
    if key == "dcos-oidc-auth0":
        assert entry == AUTH0


@pytest.mark.parametrize("kind", ["oidc", "saml"])
def test_the_overviews_are_empty_objects(nobody, gw, kind):
    for client in (nobody, gw):
        answer = client.get(f"/auth/{kind}/providers")
        assert (answer.status, answer.body) == (200, b"{}\n")


@pytest.mark.parametrize("query", ["", "?oidc-provider=", "?saml-provider=", "?oidc-provider=&saml-provider=",
                                   "?target=/", "?provider=x", "?oidc-provider"])
def test_a_redirect_login_without_a_provider_is_400(nobody, query):
    answer = nobody.get("/auth/login" + query)
    assert (answer.status, answer.code) == (400, "ERR_MISSING_QUERY_PARAMETERS")
    assert answer.description == "Expected query parameter `oidc-provider` or `saml-provider`."


@pytest.mark.parametrize("query", ["?oidc-provider=x", "?saml-provider=x", "?oidc-provider=x&target=/",
                                   "?saml-provider=x&oidc-provider="])
def test_an_unknown_provider_is_400_to_a_program(nobody, query):
    answer = nobody.get("/auth/login" + query)
    assert (answer.status, answer.code) == (400, "ERR_UNKNOWN_PROVIDER_ID")


@pytest.mark.parametrize("accept", ["text/html, */*", "TEXT/HTML,application/xhtml+xml,*/*;q=0.8"])
@pytest.mark.parametrize("query, location", [
    ("oidc-provider=nope", "nope"), ("saml-provider=no-pe", "no-pe"),
    ("oidc-provider=first&saml-provider=second", "first"), ("saml-provider=s&oidc-provider=o", "o"),
    ("oidc-provider=a%20b%2F%3C%3E%26", "a%20b%2F%3C%3E%26"),
    ("oidc-provider=%0d%0aSet-Cookie:x=y", "%0D%0ASet-Cookie%3Ax%3Dy"),
    ("oidc-provider=%C3%A9", "%C3%A9"), ("oidc-provider=~._-", "~._-"),
])
def test_an_unknown_provider_sends_a_browser_home(nobody, accept, query, location):
    answer = nobody.get("/auth/login?" + query, headers=[("Accept", accept)])
    assert answer.status == 303
    assert answer.header("location") == (
        f"/?iam-error=The%20login%20provider%20with%20ID%20%27{location}%27%20is%20not%20known")
    assert answer.header("set-cookie") is None


# -- uiconfig

def test_uiconfig_without_files_has_the_cluster_only(nobody):
    assert nobody.get("/uiconfig").json() == {"clusterConfiguration": {"firstUser": False, "id": ""}}


def test_uiconfig_adds_the_cluster_to_the_file(new_daemon, tmp_path):
    (tmp_path / "ui.json").write_text(json.dumps({"uiConfiguration": {"plugins": {"x": [1, 2.5, None, "é"]}},
                                                  "b": False}))
    (tmp_path / "cluster-id").write_text("b7f4-1\n")
    daemon = new_daemon(ui_config_file=tmp_path / "ui.json", cluster_id_file=tmp_path / "cluster-id").start()
    assert daemon.client().get("/uiconfig").json() == {
        "uiConfiguration": {"plugins": {"x": [1, 2.5, None, "é"]}}, "b": False,
        "clusterConfiguration": {"firstUser": False, "id": "b7f4-1"}}


def test_first_user_is_true_until_there_is_a_regular_user(new_daemon):
    daemon = new_daemon(superuser=False, api_access="gateway").start()
    gw = daemon.client()

    def first():
        return gw.get("/uiconfig").json()["clusterConfiguration"]["firstUser"]

    assert first() is True
    gw.expect(201, "PUT", "/users/svc", {"public_key": keys.rsa_key().public_pem})
    assert first() is True
    gw.expect(201, "PUT", "/users/person", {"password": "long enough"})
    assert first() is False
    gw.expect(204, "DELETE", "/users/person")
    assert first() is True


@pytest.mark.parametrize("option", ["ui_config_file", "cluster_id_file"])
@pytest.mark.parametrize("content", [None, "directory"])
def test_a_file_that_cannot_be_read_is_500_with_the_error_shape(new_daemon, tmp_path, option, content):
    path = tmp_path / "file"
    if content == "directory":
        path.mkdir()
    daemon = new_daemon(**{option: path}).start()
    answer = daemon.client().get("/uiconfig")
    assert answer.status == 500
    assert str(path) not in answer.description, "a path of the machine is no business of strangers"
    assert daemon.client().get("/health/ready", root=True).status == 200


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', "{\"a\": 1} x", "\xff"])
def test_a_ui_file_that_is_no_json_object_is_500(new_daemon, tmp_path, text):
    (tmp_path / "ui.json").write_bytes(text.encode("latin-1"))
    daemon = new_daemon(ui_config_file=tmp_path / "ui.json").start()
    assert daemon.client().get("/uiconfig").status == 500


def test_a_changed_file_is_seen_without_a_restart(new_daemon, tmp_path):
    path = tmp_path / "ui.json"
    path.write_text('{"a": 1}')
    daemon = new_daemon(ui_config_file=path).start()
    assert daemon.client().get("/uiconfig").json()["a"] == 1
    (tmp_path / "new").write_text('{"a": 2}')
    os.rename(tmp_path / "new", path)
    assert daemon.client().get("/uiconfig").json()["a"] == 2
