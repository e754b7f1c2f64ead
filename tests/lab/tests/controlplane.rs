//! The control plane keeps its promises: it is real, it survives outages that a test asks for, and it leaves
//! nothing behind, however its owner ends.

use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use entra_lab::{
    audit,
    controlplane::{Component, ControlPlane, Options},
};
use k8s_openapi::{
    ByteString,
    api::{
        authentication::v1::SelfSubjectReview,
        core::v1::{ConfigMap, Namespace, Secret, ServiceAccount},
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    apimachinery::pkg::apis::meta::v1::OwnerReference,
};
use kube::{
    Api, Client, Config, ResourceExt,
    api::{DeleteParams, DynamicObject, ListParams, ObjectMeta, PostParams, WatchParams},
    config::{KubeConfigOptions, Kubeconfig},
    core::{ApiResource, GroupVersionKind},
};
use serde_json::json;
use tokio::sync::OnceCell;

type Outcome = Result<(), Box<dyn Error>>;

/// Shared by the tests that do not disturb it. Never dropped: the guard ends it with this process.
static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();

async fn shared() -> Result<&'static ControlPlane, Box<dyn Error>> {
    let options = Options {
        keep_history: true,
        crds: vec![owner_crd()?],
        ..Options::default()
    };
    Ok(SHARED.get_or_try_init(|| ControlPlane::start(options)).await?)
}

#[tokio::test]
async fn a_service_account_token_is_accepted_and_bound_by_rbac() -> Outcome {
    let plane = shared().await?;
    let namespace = fresh_namespace(plane, "token").await?;
    let token = plane.service_account_token(&namespace, "default", 600).await?;
    let kubeconfig = plane.kubeconfig_for_token("token-test", &token, None, None)?;
    let client = client_of(&kubeconfig).await?;

    let reviews = Api::<SelfSubjectReview>::all(client.clone());
    let review = reviews
        .create(&PostParams::default(), &SelfSubjectReview::default())
        .await?;
    let user = review
        .status
        .and_then(|status| status.user_info)
        .and_then(|user| user.username);
    assert_eq!(user, Some(audit::service_account(&namespace, "default")));

    let refused = Api::<Secret>::namespaced(client, &namespace)
        .list(&ListParams::default())
        .await;
    assert!(matches!(refused, Err(kube::Error::Api(status)) if status.code == 403));
    Ok(())
}

#[tokio::test]
async fn overrides_replace_server_and_authority() -> Outcome {
    let plane = shared().await?;
    let url = "https://127.0.0.1:1";
    let kubeconfig = plane.kubeconfig_for_token("override-test", "t", Some(url), Some("authority"))?;
    let text = fs::read_to_string(kubeconfig)?;
    assert!(
        text.contains(url) && !text.contains(&plane.server_url()),
        "{text}"
    );
    Ok(())
}

#[tokio::test]
async fn a_dependent_goes_when_its_owner_goes() -> Outcome {
    let plane = shared().await?;
    let namespace = fresh_namespace(plane, "gc").await?;
    let maps = Api::<ConfigMap>::namespaced(plane.client().await?, &namespace);
    let owner = maps
        .create(&PostParams::default(), &config_map("owner", None))
        .await?;
    let reference = owner_reference("v1", "ConfigMap", &owner.name_any(), owner.uid());
    maps.create(&PostParams::default(), &config_map("dependent", Some(reference)))
        .await?;
    maps.delete("owner", &DeleteParams::default()).await?;
    eventually("the dependent is gone", async || {
        Ok(maps.get_opt("dependent").await?.is_none())
    })
    .await
}

#[tokio::test]
async fn garbage_collection_knows_the_crds_of_the_options() -> Outcome {
    let plane = shared().await?;
    let namespace = fresh_namespace(plane, "gc-crd").await?;
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("lab.example", "v1", "Owner"));
    let owners = Api::<DynamicObject>::namespaced_with(plane.client().await?, &namespace, &kind);
    let owner = owners
        .create(&PostParams::default(), &DynamicObject::new("owner", &kind))
        .await?;
    let maps = Api::<ConfigMap>::namespaced(plane.client().await?, &namespace);
    let reference = owner_reference("lab.example/v1", "Owner", "owner", owner.uid());
    maps.create(&PostParams::default(), &config_map("dependent", Some(reference)))
        .await?;
    owners.delete("owner", &DeleteParams::default()).await?;
    eventually("the dependent is gone", async || {
        Ok(maps.get_opt("dependent").await?.is_none())
    })
    .await
}

#[tokio::test]
async fn a_namespace_can_be_deleted() -> Outcome {
    let plane = shared().await?;
    let namespace = fresh_namespace(plane, "deletion").await?;
    let client = plane.client().await?;
    let maps = Api::<ConfigMap>::namespaced(client.clone(), &namespace);
    maps.create(&PostParams::default(), &config_map("content", None))
        .await?;
    let namespaces = Api::<Namespace>::all(client);
    namespaces.delete(&namespace, &DeleteParams::default()).await?;
    eventually("the namespace is gone", async || {
        Ok(namespaces.get_opt(&namespace).await?.is_none())
    })
    .await
}

#[tokio::test]
async fn the_audit_log_shows_who_did_what() -> Outcome {
    let plane = shared().await?;
    let namespace = fresh_namespace(plane, "audit").await?;
    let secrets = Api::<Secret>::namespaced(plane.client().await?, &namespace);
    plane.audit_barrier().await?;
    let before = plane.audit().mark()?;
    secrets
        .create(&PostParams::default(), &secret("written", "v"))
        .await?;
    secrets
        .list(&ListParams::default().labels("a=b").fields("type=Opaque"))
        .await?;
    drop(secrets.watch(&WatchParams::default().labels("w=x"), "0").await?);
    plane.audit_barrier().await?;

    let entries = plane.audit().by_user_since("admin", before)?;
    let here = entries
        .iter()
        .filter(|entry| entry.is_about_secrets() && entry.namespace == namespace);
    let here = here.collect::<Vec<_>>();
    let writes = here.iter().filter(|entry| entry.is_write()).collect::<Vec<_>>();
    assert!(matches!(writes.as_slice(), [write]
        if write.verb == "create" && write.code == 201 && write.is_about("secrets", &namespace, "written")));
    let selectors = here.iter().filter(|entry| entry.is_list_or_watch());
    let selectors = selectors.map(|entry| (entry.label_selector(), entry.field_selector()));
    let (labels, fields): (Vec<_>, Vec<_>) = selectors.unzip();
    assert_eq!(labels, [Some("a=b".to_owned()), Some("w=x".to_owned())]);
    assert_eq!(fields, [Some("type=Opaque".to_owned()), None]);
    assert!(here.iter().all(|entry| entry.succeeded()), "{here:?}");
    assert!(plane.audit().between(before, before)?.is_empty());
    Ok(())
}

/// A refused watch never begins, and still it was asked for.
#[tokio::test]
async fn the_audit_log_shows_refused_watches() -> Outcome {
    let plane = shared().await?;
    let namespace = fresh_namespace(plane, "refused").await?;
    let token = plane.service_account_token(&namespace, "default", 600).await?;
    let client = client_of(&plane.kubeconfig_for_token("refused-test", &token, None, None)?).await?;
    let before = plane.audit().mark()?;
    let secrets = Api::<Secret>::namespaced(client, &namespace);
    assert!(secrets.watch(&WatchParams::default(), "0").await.is_err());
    plane.audit_barrier().await?;
    let user = audit::service_account(&namespace, "default");
    let entries = plane.audit().by_user_since(&user, before)?;
    assert!(
        matches!(entries.as_slice(), [entry] if entry.verb == "watch" && entry.code == 403),
        "{entries:?}"
    );
    Ok(())
}

#[tokio::test]
async fn raw_etcd_shows_what_is_and_what_was() -> Outcome {
    let plane = shared().await?;
    let namespace = fresh_namespace(plane, "raw").await?;
    let secrets = Api::<Secret>::namespaced(plane.client().await?, &namespace);
    let marker = uuid::Uuid::new_v4().to_string();
    secrets
        .create(&PostParams::default(), &secret("marked", &marker))
        .await?;
    let key = format!("/registry/secrets/{namespace}/marked");
    assert_eq!(
        keys_with(plane.etcd_dump().await?, &marker),
        std::slice::from_ref(&key)
    );
    let below = plane
        .etcd_get_raw_prefix(&format!("/registry/secrets/{namespace}/"))
        .await?;
    assert_eq!(below.iter().map(|(key, _)| key).collect::<Vec<_>>(), [&key]);

    secrets.delete("marked", &DeleteParams::default()).await?;
    assert!(keys_with(plane.etcd_dump().await?, &marker).is_empty());
    let was = keys_with(plane.etcd_history().await?, &marker);
    assert!(
        !was.is_empty() && was.iter().all(|found| *found == key),
        "{was:?}"
    );
    Ok(())
}

/// More keys than one page holds, and more history than one answer of the gateway.
#[tokio::test]
async fn a_large_dump_is_complete() -> Outcome {
    let plane = shared().await?;
    let namespace = fresh_namespace(plane, "large").await?;
    let secrets = Api::<Secret>::namespaced(plane.client().await?, &namespace);
    let value = "x".repeat(20_000);
    for number in 0..600 {
        secrets
            .create(&PostParams::default(), &secret(&format!("s{number}"), &value))
            .await?;
    }
    let prefix = format!("/registry/secrets/{namespace}/");
    assert_eq!(plane.etcd_get_raw_prefix(&prefix).await?.len(), 600);
    let history = plane.etcd_history().await?;
    assert_eq!(
        history.iter().filter(|(key, _)| key.starts_with(&prefix)).count(),
        600
    );
    Ok(())
}

#[tokio::test]
async fn outages_keep_addresses_and_data() -> Outcome {
    let plane = ControlPlane::start(Options::default()).await?;
    let maps = Api::<ConfigMap>::default_namespaced(plane.client().await?);
    maps.create(&PostParams::default(), &config_map("kept", None))
        .await?;

    for component in [Component::ApiServer, Component::Etcd] {
        plane.stop(component).await?;
        assert!(!plane.is_running(component)?);
        assert!(!answers(&maps).await, "{component} is stopped");
        plane.launch(component).await?;
        eventually("data is back", async || Ok(answers(&maps).await)).await?;
    }
    plane.kill(Component::Etcd)?;
    plane.kill(Component::ApiServer)?;
    plane.launch(Component::Etcd).await?;
    plane.launch(Component::ApiServer).await?;
    maps.get("kept").await?;

    plane.pause(Component::ApiServer).await?;
    assert!(!answers(&maps).await, "a frozen server answers nothing");
    assert!(plane.is_running(Component::ApiServer)?);
    plane.resume(Component::ApiServer)?;
    maps.get("kept").await?;
    Ok(())
}

/// Whether the object can be read within a second; without etcd the API server waits for a minute.
async fn answers(maps: &Api<ConfigMap>) -> bool {
    matches!(
        tokio::time::timeout(Duration::from_secs(1), maps.get("kept")).await,
        Ok(Ok(_))
    )
}

/// A signal is not a stop yet: without waiting, one pause in ten returns while threads still run.
#[tokio::test]
async fn a_paused_component_stands_still() -> Outcome {
    let plane = ControlPlane::start(Options::default()).await?;
    for _ in 0..100 {
        plane.pause(Component::ApiServer).await?;
        let states = thread_states(plane.pid(Component::ApiServer).ok_or("no process")?)?;
        assert!(
            !states.is_empty() && states.iter().all(|state| state == "T"),
            "{states:?}"
        );
        plane.resume(Component::ApiServer)?;
    }
    plane.kill(Component::ApiServer)?;
    assert!(
        plane.pause(Component::ApiServer).await.is_err(),
        "nothing to pause"
    );
    Ok(())
}

/// The third word of each thread's `stat`; the second, the name, has no blank in our programs.
fn thread_states(pid: u32) -> Result<Vec<String>, Box<dyn Error>> {
    let threads = fs::read_dir(format!("/proc/{pid}/task"))?.map_while(Result::ok);
    let lines = threads.map(|thread| fs::read_to_string(thread.path().join("stat")));
    let state = |stat: &str| stat.split(' ').nth(2).unwrap_or_default().to_owned();
    lines.map(|line| Ok(state(&line?))).collect()
}

#[tokio::test]
async fn shutdown_leaves_nothing() -> Outcome {
    let plane = ControlPlane::start(Options::default()).await?;
    let directory = plane.directory().to_owned();
    assert_eq!(processes_of(&directory)?.len(), 4, "three programs and the guard");
    plane.pause(Component::Etcd).await?;
    plane.shutdown().await;
    assert!(processes_of(&directory)?.is_empty());
    assert!(!directory.exists());
    Ok(())
}

#[tokio::test]
async fn a_failing_start_shows_the_log_and_leaves_nothing() -> Outcome {
    let options = Options {
        apiserver_flags: vec!["--no-such-flag".into()],
        ..Options::default()
    };
    let error = ControlPlane::start(options)
        .await
        .err()
        .ok_or("it started")?
        .to_string();
    assert!(error.contains("kube-apiserver ended by itself"), "{error}");
    assert!(error.contains("unknown flag: --no-such-flag"), "{error}");
    Ok(())
}

/// SIGKILL leaves the owner no chance to clean up; the guard does.
#[tokio::test]
async fn a_killed_owner_leaves_nothing() -> Outcome {
    let mut owner = lab(&["control-plane", "up"]).stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    BufReader::new(owner.stdout.take().ok_or("no output")?).read_line(&mut line)?;
    let kubeconfig = PathBuf::from(line.trim().trim_start_matches("export KUBECONFIG="));
    let directory = kubeconfig.parent().ok_or("no directory")?.to_owned();
    assert!(
        client_of(&kubeconfig)
            .await?
            .apiserver_version()
            .await?
            .git_version
            .starts_with("v1.")
    );
    assert_eq!(processes_of(&directory)?.len(), 4, "three programs and the guard");

    owner.kill()?;
    owner.wait()?;
    eventually("everything is gone", async || {
        Ok(processes_of(&directory)?.is_empty() && !directory.exists())
    })
    .await
}

#[test]
fn without_go_and_assets_the_error_names_both_ways_out() -> Outcome {
    let empty = tempfile::tempdir()?;
    let output = lab(&["control-plane", "build"])
        .env_remove("KUBEBUILDER_ASSETS")
        .env("XDG_CACHE_HOME", empty.path())
        .env("PATH", empty.path())
        .output()?;
    assert_refused(&output, &["install Go", "KUBEBUILDER_ASSETS"]);
    Ok(())
}

#[test]
fn assets_without_an_api_server_are_an_error() -> Outcome {
    let empty = tempfile::tempdir()?;
    let output = lab(&["control-plane", "build"])
        .env("KUBEBUILDER_ASSETS", empty.path())
        .output()?;
    assert_refused(&output, &["KUBEBUILDER_ASSETS=", "has no etcd", "install Go"]);
    Ok(())
}

fn assert_refused(output: &Output, words: &[&str]) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    for word in words {
        assert!(stderr.contains(word), "{word:?} is missing in {stderr:?}");
    }
}

fn lab(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_entra-lab"));
    command.args(arguments);
    command
}

/// The processes whose command line names the directory.
fn processes_of(directory: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let name = directory.as_os_str().as_encoded_bytes();
    let processes = fs::read_dir("/proc")?
        .map_while(Result::ok)
        .map(|entry| entry.path());
    let names_it = |process: &PathBuf| {
        let command_line = fs::read(process.join("cmdline")).unwrap_or_default();
        command_line.windows(name.len()).any(|window| window == name)
    };
    Ok(processes.filter(names_it).collect())
}

async fn fresh_namespace(plane: &ControlPlane, prefix: &str) -> Result<String, Box<dyn Error>> {
    let client = plane.client().await?;
    let metadata = ObjectMeta {
        generate_name: Some(format!("{prefix}-")),
        ..ObjectMeta::default()
    };
    let namespace = Namespace {
        metadata,
        ..Namespace::default()
    };
    let namespaces = Api::<Namespace>::all(client.clone());
    let name = namespaces
        .create(&PostParams::default(), &namespace)
        .await?
        .name_any();
    let accounts = Api::<ServiceAccount>::namespaced(client, &name);
    eventually("the default account", async || {
        Ok(accounts.get_opt("default").await?.is_some())
    })
    .await?;
    Ok(name)
}

async fn client_of(kubeconfig: &Path) -> Result<Client, Box<dyn Error>> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

async fn eventually(what: &str, holds: impl AsyncFn() -> Result<bool, Box<dyn Error>>) -> Outcome {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds().await? {
        if Instant::now() >= deadline {
            return Err(format!("not within 30 s: {what}").into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

fn keys_with(pairs: Vec<(String, Vec<u8>)>, marker: &str) -> Vec<String> {
    let holds = |value: &[u8]| {
        value
            .windows(marker.len())
            .any(|window| window == marker.as_bytes())
    };
    pairs
        .into_iter()
        .filter(|(_, value)| holds(value))
        .map(|(key, _)| key)
        .collect()
}

fn config_map(name: &str, owner: Option<OwnerReference>) -> ConfigMap {
    let owner_references = owner.map(|owner| vec![owner]);
    let metadata = ObjectMeta {
        name: Some(name.to_owned()),
        owner_references,
        ..ObjectMeta::default()
    };
    ConfigMap {
        metadata,
        ..ConfigMap::default()
    }
}

fn secret(name: &str, value: &str) -> Secret {
    let metadata = ObjectMeta {
        name: Some(name.to_owned()),
        ..ObjectMeta::default()
    };
    let data = BTreeMap::from([("value".to_owned(), ByteString(value.as_bytes().to_vec()))]);
    Secret {
        metadata,
        data: Some(data),
        ..Secret::default()
    }
}

fn owner_reference(api_version: &str, kind: &str, name: &str, uid: Option<String>) -> OwnerReference {
    OwnerReference {
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
        name: name.to_owned(),
        uid: uid.unwrap_or_default(),
        ..OwnerReference::default()
    }
}

fn owner_crd() -> Result<CustomResourceDefinition, serde_json::Error> {
    serde_json::from_value(json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": "owners.lab.example" },
        "spec": {
            "group": "lab.example",
            "names": { "kind": "Owner", "plural": "owners" },
            "scope": "Namespaced",
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": { "openAPIV3Schema": { "type": "object" } },
            }],
        },
    }))
}
