//! The commands of a real kubectl that write through typed clients, whose bodies are protobuf, against a server with
//! controllers: what they ask for is stored, and what no decoder can read is refused.
#![allow(clippy::unwrap_used, missing_docs)]

use std::process::Stdio;

use apiserver::controllers::{self, Controllers};
use apiserver::{Options, Server};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::process::Command;

/// A server, its controllers and a kubectl that talks to them.
struct Stage {
    server: Server,
    client: Client,
    controllers: Controllers,
    program: String,
    files: tempfile::TempDir,
}

impl Stage {
    async fn start() -> Self {
        let server = Server::start(Options::default()).await.unwrap();
        let config = kube::config::Kubeconfig::from_yaml(&server.kubeconfig()).unwrap();
        let config = kube::Config::from_custom_kubeconfig(config, &Default::default()).await.unwrap();
        let client = Client::try_from(config).unwrap();
        let controllers = Controllers::start(client.clone(), controllers::Options::default());
        controllers.ready().await;
        let files = tempfile::tempdir().unwrap();
        std::fs::write(files.path().join("config"), server.kubeconfig()).unwrap();
        Self { server, client, controllers, program: program(), files }
    }

    async fn stop(self) {
        self.controllers.stop().await;
        self.server.stop().await;
    }

    async fn attempt(&self, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new(&self.program)
            .arg("--kubeconfig")
            .arg(self.files.path().join("config"))
            .arg("--cache-dir")
            .arg(self.files.path().join("cache"))
            .args(arguments)
            .current_dir(self.files.path())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .unwrap_or_else(|e| panic!("cannot run {}, set KUBECTL: {e}", self.program));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(text) } else { Err(text + &complaint) }
    }

    /// What kubectl printed.
    async fn run(&self, arguments: &[&str]) -> String {
        self.attempt(arguments).await.unwrap_or_else(|e| panic!("kubectl {}: {e}", arguments.join(" ")))
    }

    async fn get(&self, kind: &str, name: &str) -> Value {
        serde_json::from_str(&self.run(&["get", kind, name, "-o", "json"]).await).unwrap()
    }

    async fn apply(&self, object: &Value) {
        let path = self.files.path().join("manifest.json");
        std::fs::write(path, object.to_string()).unwrap();
        self.run(&["apply", "-f", "manifest.json"]).await;
    }

    /// Sends bytes as they are; the answer's code and body.
    async fn post(&self, path: &str, body: &[u8]) -> (u16, Value) {
        let request = http::Request::post(path)
            .header("content-type", "application/vnd.kubernetes.protobuf")
            .body(Body::from(body.to_vec()))
            .unwrap();
        let answer = self.client.send(request).await.unwrap();
        let code = answer.status().as_u16();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        (code, serde_json::from_slice(&bytes).unwrap())
    }
}

#[expect(clippy::disallowed_methods, reason = "a test's own environment names the program that it runs")]
fn program() -> String {
    std::env::var("KUBECTL").unwrap_or_else(|_| "kubectl".to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn namespaces_and_configuration_are_created() {
    let stage = Stage::start().await;
    stage.run(&["create", "namespace", "team"]).await;
    stage.run(&["wait", "--for=jsonpath={.status.phase}=Active", "namespace/team", "--timeout=20s"]).await;
    stage.run(&["create", "configmap", "settings", "--from-literal=a=1", "--from-literal=empty="]).await;
    assert_eq!(stage.get("configmap", "settings").await["data"], json!({"a": "1", "empty": ""}));
    std::fs::write(stage.files.path().join("blob"), [0, 0xff, 1]).unwrap();
    stage.run(&["create", "configmap", "blob", "--from-file=blob"]).await;
    assert_eq!(stage.get("configmap", "blob").await["binaryData"], json!({"blob": "AP8B"}));
    stage.run(&["create", "secret", "generic", "keys", "--from-literal=password=hunter2"]).await;
    let secret = stage.get("secret", "keys").await;
    assert_eq!(secret["data"], json!({"password": "aHVudGVyMg=="}));
    assert_eq!(secret["type"], "Opaque");
    stage.run(&["create", "quota", "small", "--hard=cpu=1,memory=1G,pods=2", "--scopes=BestEffort"]).await;
    let quota = stage.get("quota", "small").await;
    assert_eq!(quota["spec"], json!({"hard": {"cpu": "1", "memory": "1G", "pods": "2"}, "scopes": ["BestEffort"]}));
    stage.run(&["create", "priorityclass", "high", "--value=1000", "--description=urgent"]).await;
    let class = stage.get("priorityclass", "high").await;
    assert_eq!((&class["value"], &class["preemptionPolicy"]), (&json!(1000), &json!("PreemptLowerPriority")));
    let refused = stage.attempt(&["create", "configmap", "settings"]).await.unwrap_err();
    assert!(refused.contains("configmaps \"settings\" already exists"), "{refused}");
    let refused = stage.attempt(&["create", "quota", "worse", "--hard=cpu=-1"]).await.unwrap_err();
    assert!(refused.contains("must be greater than or equal to 0"), "{refused}");
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_are_granted_and_asked_for() {
    let stage = Stage::start().await;
    stage.run(&["create", "serviceaccount", "builder"]).await;
    stage.run(&["create", "role", "reader", "--verb=get,list", "--resource=pods,deployments.apps"]).await;
    let rules = stage.get("role", "reader").await["rules"].clone();
    let verbs = json!(["get", "list"]);
    assert_eq!(
        rules,
        json!([{"apiGroups": [""], "resources": ["pods"], "verbs": verbs},
            {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": verbs}])
    );
    stage.run(&["create", "rolebinding", "read", "--role=reader", "--serviceaccount=default:builder"]).await;
    stage.run(&["create", "clusterrole", "probe", "--verb=get", "--non-resource-url=/metrics"]).await;
    stage.run(&["create", "clusterrolebinding", "probe", "--clusterrole=probe", "--group=ops"]).await;
    assert_eq!(stage.run(&["auth", "can-i", "list", "pods"]).await.trim(), "yes");

    let builder = ["--as=system:serviceaccount:default:builder", "auth", "can-i"];
    assert_eq!(stage.run(&[&builder[..], &["list", "pods"]].concat()).await.trim(), "yes");
    let refused = stage.attempt(&[&builder[..], &["delete", "pods"]].concat()).await.unwrap_err();
    assert!(refused.starts_with("no"), "{refused}");
    let ops = ["--as=ann", "--as-group=ops", "auth", "can-i"];
    assert_eq!(stage.run(&[&ops[..], &["get", "/metrics"]].concat()).await.trim(), "yes");
    assert!(stage.attempt(&[&ops[..], &["get", "/logs"]].concat()).await.unwrap_err().starts_with("no"));
    let list = stage.run(&[&builder[..], &["--list"]].concat()).await;
    assert!(list.contains("deployments.apps"), "{list}");

    let identity = stage.run(&["--as=ann", "--as-group=ops", "auth", "whoami", "-o", "json"]).await;
    let identity: Value = serde_json::from_str(&identity).unwrap();
    assert_eq!(identity["status"]["userInfo"]["username"], "ann");
    let token = ["create", "token", "builder", "--duration=2h", "--audience=me", "-o", "json"];
    let token: Value = serde_json::from_str(&stage.run(&token).await).unwrap();
    assert_eq!(token["spec"]["audiences"], json!(["me"]));
    assert_eq!(token["spec"]["expirationSeconds"], 7200);
    assert!(token["status"]["token"].as_str().unwrap().len() > 20);
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workloads_are_created_and_scaled() {
    let stage = Stage::start().await;
    stage.run(&["create", "deployment", "web", "--image=nginx", "--replicas=2", "--port=80"]).await;
    let container = stage.get("deployment", "web").await["spec"]["template"]["spec"]["containers"][0].clone();
    assert_eq!(container["ports"], json!([{"containerPort": 80, "protocol": "TCP"}]));
    stage.run(&["wait", "--for=jsonpath={.status.replicas}=2", "deployment/web", "--timeout=20s"]).await;
    stage.run(&["scale", "deployment", "web", "--replicas=0"]).await;
    assert_eq!(stage.get("deployment", "web").await["spec"]["replicas"], 0);
    stage.run(&["create", "job", "once", "--image=busybox", "--", "sh", "-c", "exit 0"]).await;
    let job = stage.get("job", "once").await;
    let template = &job["spec"]["template"]["spec"];
    assert_eq!(template["containers"][0]["command"], json!(["sh", "-c", "exit 0"]));
    assert_eq!(template["restartPolicy"], "Never");
    stage.run(&["create", "cronjob", "nightly", "--image=busybox", "--schedule=0 3 * * *", "--", "date"]).await;
    assert_eq!(stage.get("cronjob", "nightly").await["spec"]["schedule"], "0 3 * * *");
    stage.run(&["run", "one", "--image=nginx", "--port=80", "--env=A=b"]).await;
    assert_eq!(stage.get("pod", "one").await["spec"]["containers"][0]["env"], json!([{"name": "A", "value": "b"}]));
    stage.run(&["create", "deployment", "shadow", "--image=nginx", "--dry-run=server"]).await;
    assert!(stage.attempt(&["get", "deployment", "shadow"]).await.is_err());
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_tied_to_its_pods_by_its_uid() {
    let stage = Stage::start().await;
    stage.run(&["create", "job", "once", "--image=busybox"]).await;
    let job = stage.get("job", "once").await;
    let uid = &job["metadata"]["uid"];
    assert_eq!(&job["spec"]["selector"]["matchLabels"]["batch.kubernetes.io/controller-uid"], uid);
    assert_eq!(&job["spec"]["template"]["metadata"]["labels"]["controller-uid"], uid);
    stage.stop().await;
}

/// A pod's template with a value of every kind that protobuf treats in its own way.
fn rich_template() -> Value {
    json!({
        "metadata": {"labels": {"app": "rich"}, "annotations": {"note": ""}},
        "spec": {
            "restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": false,
            "nodeSelector": {"disk": "ssd"},
            "tolerations": [{"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}],
            "securityContext": {"runAsUser": 0, "runAsNonRoot": false, "supplementalGroups": [1, 2_147_483_647]},
            "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 7,
                "podAffinityTerm": {"topologyKey": "zone",
                    "labelSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["x"]}]}}}]}},
            "initContainers": [{"name": "side", "image": "busybox", "restartPolicy": "Always"}],
            "containers": [{
                "name": "main", "image": "busybox", "args": ["exit 0"],
                "ports": [{"containerPort": 80, "name": "http"}],
                "env": [{"name": "EMPTY"}, {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                    {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": false}}},
                    {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}}],
                "envFrom": [{"prefix": "P_", "configMapRef": {"name": "settings"}}],
                "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "1"}},
                "livenessProbe": {"httpGet": {"path": "/live", "port": "http"}, "periodSeconds": 3},
                "readinessProbe": {"tcpSocket": {"port": 80}},
                "lifecycle": {"preStop": {"sleep": {"seconds": 2}}},
                "volumeMounts": [{"name": "data", "mountPath": "/data", "readOnly": true}],
                "securityContext": {"capabilities": {"drop": ["ALL"]}, "allowPrivilegeEscalation": false}
            }],
            "volumes": [{"name": "data", "emptyDir": {"sizeLimit": "1Gi", "medium": "Memory"}},
                {"name": "conf", "configMap": {"name": "settings", "defaultMode": 256,
                    "items": [{"key": "a", "path": "b", "mode": 0}]}},
                {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
                {"name": "claim", "ephemeral": {"volumeClaimTemplate": {"spec": {"accessModes": ["ReadWriteOnce"],
                    "storageClassName": "", "resources": {"requests": {"storage": "1Gi"}}}}}}]
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_from_a_cron_job_keeps_every_field_of_its_template() {
    let stage = Stage::start().await;
    let job = json!({"backoffLimit": 0, "template": rich_template()});
    let spec = json!({"schedule": "0 3 * * *", "suspend": true, "jobTemplate": {"spec": job}});
    stage
        .apply(&json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "rich"}, "spec": spec}))
        .await;
    // kubectl reads the template as JSON and writes it as protobuf.
    stage.run(&["create", "job", "once", "--from=cronjob/rich"]).await;
    let parent = stage.get("cronjob", "rich").await;
    let child = stage.get("job", "once").await;
    let wanted = &parent["spec"]["jobTemplate"]["spec"]["template"];
    assert_eq!(wanted["spec"]["volumes"][1]["configMap"]["items"][0]["mode"], 0);
    assert_eq!(child["spec"]["template"]["spec"], wanted["spec"]);
    assert_eq!(child["spec"]["template"]["metadata"]["annotations"], json!({"note": ""}));
    assert_eq!(child["spec"]["backoffLimit"], 0);
    assert_eq!(child["metadata"]["ownerReferences"][0]["uid"], parent["metadata"]["uid"]);
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn services_ingresses_and_budgets_are_created() {
    let stage = Stage::start().await;
    stage.run(&["create", "service", "clusterip", "web", "--tcp=80:8080", "--tcp=443:https"]).await;
    let ports = stage.get("service", "web").await["spec"]["ports"].clone();
    assert_eq!((&ports[0]["targetPort"], &ports[1]["targetPort"]), (&json!(8080), &json!("https")));
    stage.run(&["create", "service", "clusterip", "headless", "--clusterip=None"]).await;
    assert_eq!(stage.get("service", "headless").await["spec"]["clusterIP"], "None");
    stage.run(&["create", "service", "nodeport", "open", "--tcp=80", "--node-port=30080"]).await;
    assert_eq!(stage.get("service", "open").await["spec"]["ports"][0]["nodePort"], 30080);
    stage.run(&["create", "service", "loadbalancer", "outer", "--tcp=80"]).await;
    stage.run(&["create", "service", "externalname", "away", "--external-name=example.com"]).await;
    assert_eq!(stage.get("service", "away").await["spec"]["externalName"], "example.com");
    stage.run(&["run", "one", "--image=nginx", "--port=80", "--expose"]).await;
    assert_eq!(stage.get("service", "one").await["spec"]["selector"], json!({"run": "one"}));
    stage.run(&["create", "deployment", "app", "--image=nginx", "--port=80"]).await;
    stage.run(&["expose", "deployment", "app", "--port=8000", "--target-port=80"]).await;
    assert_eq!(stage.get("service", "app").await["spec"]["ports"][0]["targetPort"], 80);

    let rule = "--rule=example.com/path*=web:80,tls=cert";
    stage.run(&["create", "ingress", "site", rule, "--class=nginx"]).await;
    let spec = stage.get("ingress", "site").await["spec"].clone();
    assert_eq!(spec["tls"], json!([{"hosts": ["example.com"], "secretName": "cert"}]));
    let path = json!({"path": "/path", "pathType": "Prefix",
        "backend": {"service": {"name": "web", "port": {"number": 80}}}});
    assert_eq!(spec["rules"], json!([{"host": "example.com", "http": {"paths": [path]}}]));
    stage.run(&["create", "pdb", "guard", "--selector=app=web", "--min-available=50%"]).await;
    stage.run(&["create", "pdb", "limit", "--selector=app=web", "--max-unavailable=1"]).await;
    assert_eq!(stage.get("pdb", "guard").await["spec"]["minAvailable"], "50%");
    assert_eq!(stage.get("pdb", "limit").await["spec"]["maxUnavailable"], 1);
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_drained_by_eviction_and_by_deletion() {
    let stage = Stage::start().await;
    stage.apply(&json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}})).await;
    let pod = |name: &str| {
        let spec = json!({"nodeName": "n1", "containers": [{"name": "a", "image": "b"}]});
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})
    };
    let drain = ["drain", "n1", "--force", "--grace-period=0", "--timeout=20s"];
    for (name, how) in [("evicted", "--disable-eviction=false"), ("deleted", "--disable-eviction=true")] {
        stage.apply(&pod(name)).await;
        stage.run(&[&drain[..], &[how]].concat()).await;
        let gone = stage.attempt(&["get", "pod", name]).await.unwrap_err();
        assert!(gone.contains("NotFound"), "{gone}");
    }
    assert_eq!(stage.get("node", "n1").await["spec"]["unschedulable"], true);
    stage.stop().await;
}

/// An envelope: the type's version and kind, and the object's bytes; each is shorter than 128 bytes.
fn envelope(api_version: &str, kind: &str, object: &[u8]) -> Vec<u8> {
    fn part(field: u8, bytes: &[u8]) -> Vec<u8> {
        [&[field << 3 | 2, u8::try_from(bytes.len()).unwrap()], bytes].concat()
    }
    let head = [part(1, api_version.as_bytes()), part(2, kind.as_bytes())].concat();
    [b"k8s\0".to_vec(), part(1, &head), part(2, object)].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_cannot_be_decoded_are_refused() {
    let stage = Stage::start().await;
    let path = "/api/v1/namespaces/default/configmaps";
    let noise = envelope("v1", "ConfigMap", &[0x0a, 100, 1]);
    for (body, message) in [
        (&b"\x01\x02\x03"[..], "not in the Kubernetes protobuf format"),
        (b"{}", "not in the Kubernetes protobuf format"),
        (b"k8s\0\xff\xff", "the envelope of the protobuf body cannot be decoded: unexpected end of the bytes"),
        (b"k8s\0", "Object 'Kind' is missing"),
        (&noise, "ConfigMap in version \"v1\" cannot be decoded from protobuf: .: unexpected end of the bytes"),
        (&envelope("apps/v1", "Deployment", b""), "does not match the expected API version (v1)"),
    ] {
        let (code, status) = stage.post(path, body).await;
        assert_eq!((code, &status["kind"], &status["reason"]), (400, &json!("Status"), &json!("BadRequest")));
        let told = status["message"].as_str().unwrap();
        assert!(told.contains(message), "{told}");
    }
    let (code, status) = stage.post(path, &envelope("example.com/v1", "Database", b"")).await;
    assert_eq!((code, &status["reason"]), (415, &json!("UnsupportedMediaType")));
    // metadata.name is all that this one has.
    let (code, made) = stage.post(path, &envelope("v1", "ConfigMap", b"\x0a\x03\x0a\x01a")).await;
    assert_eq!((code, &made["metadata"]["name"]), (201, &json!("a")));
    stage.stop().await;
}
