//! Custom resources as their users see them: columns, explanations, refusals of schema and rules, subresources.

use crate::stage::{Stage, words};

const DEFINITION: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.demo.example.com}
spec:
  group: demo.example.com
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, shortNames: [wd], categories: [all, demo]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}, scale: {specReplicasPath: .spec.size, statusReplicasPath: .status.size}}
    additionalPrinterColumns:
    - {name: Size, type: integer, jsonPath: .spec.size}
    - {name: Mode, type: string, jsonPath: .spec.mode, priority: 1}
    - {name: Age, type: date, jsonPath: .metadata.creationTimestamp}
    schema:
      openAPIV3Schema:
        type: object
        description: A thing to count
        required: [spec]
        properties:
          spec:
            type: object
            description: What is wanted
            required: [size]
            x-kubernetes-validations:
            - {rule: \"self.size <= 10 || self.mode == 'big'\", message: more than 10 need mode big}
            properties:
              size: {type: integer, minimum: 0, description: How many}
              mode: {type: string, enum: [small, big], default: small}
              name: {type: string, x-kubernetes-validations: [{rule: self == oldSelf, message: name is immutable}]}
          status: {type: object, properties: {size: {type: integer}}}
";

fn widget(spec: &str) -> String {
    format!("{{apiVersion: demo.example.com/v1, kind: Widget, metadata: {{name: a}}, spec: {{{spec}}}}}")
}

async fn with_widgets() -> Stage {
    let stage = Stage::start().await;
    stage.feed("apply -f -", DEFINITION).await.ok();
    stage.run("wait crd/widgets.demo.example.com --for condition=Established --timeout=60s").await.ok();
    stage
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_custom_resource_has_its_columns_short_name_category_and_defaults() {
    let stage = with_widgets().await;
    assert_eq!(stage.feed("apply -f -", &widget("size: 3")).await.ok(), "widget.demo.example.com/a created\n");
    let plain = stage.run("get wd").await.ok();
    assert_eq!(words(&plain)[0], ["NAME", "SIZE", "AGE"]);
    let wide = stage.run("get widgets -o wide").await.ok();
    assert_eq!(words(&wide)[1][..3], ["a", "3", "small"]);
    assert_eq!(stage.run("get demo -o name").await.ok(), "widget.demo.example.com/a\n");
    assert!(stage.run("get all -o name").await.ok().contains("widget.demo.example.com/a\n"));
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fields_of_a_custom_resource_are_explained() {
    let stage = with_widgets().await;
    let top = stage.run("explain widget").await.ok();
    assert!(top.contains("DESCRIPTION:\n    A thing to count"), "{top}");
    let size = stage.run("explain widget.spec.size").await.ok();
    assert!(size.contains("FIELD: size <integer>") && size.contains("How many"), "{size}");
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_of_schema_and_rules_are_told_to_the_user() {
    let stage = with_widgets().await;
    assert_eq!(
        stage.feed("create -f -", &widget("size: 30")).await.refused(),
        "The Widget \"a\" is invalid: spec: Invalid value: more than 10 need mode big\n"
    );
    let many = stage.feed("create -f -", &widget("size: -3, mode: odd")).await.refused();
    assert!(many.contains("* spec.mode: Unsupported value: \"odd\": supported values: \"small\", \"big\"\n"), "{many}");
    assert!(many.contains("* spec.size: Invalid value: -3: spec.size in body should be greater than or equal to 0\n"));
    let missing = stage.feed("create -f -", &widget("mode: big")).await.refused();
    assert!(missing.contains("spec.size: Required value"), "{missing}");
    let unknown = stage.feed("create -f -", &widget("size: 1, sise: 2")).await.refused();
    assert!(unknown.contains("strict decoding error: unknown field \"spec.sise\""), "{unknown}");
    stage.feed("create -f -", &widget("size: 1, name: x")).await.ok();
    let immutable = stage.feed("apply --server-side -f -", &widget("size: 1, name: z")).await.refused();
    assert!(immutable.contains("Apply failed with 1 conflict"), "{immutable}");
    let immutable = stage.run("patch wd a --type merge -p {\"spec\":{\"name\":\"z\"}}").await.refused();
    assert_eq!(immutable, "The Widget \"a\" is invalid: spec.name: Invalid value: \"z\": name is immutable\n");
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_custom_resource_is_scaled_and_its_status_is_patched_apart() {
    let stage = with_widgets().await;
    stage.feed("create -f -", &widget("size: 3")).await.ok();
    assert_eq!(stage.run("scale wd a --replicas=5").await.ok(), "widget.demo.example.com/a scaled\n");
    assert_eq!(stage.run("get wd a -o jsonpath={.spec.size}/{.metadata.generation}").await.ok(), "5/2");
    stage.run("patch wd a --type merge -p {\"status\":{\"size\":9}}").await.ok();
    assert_eq!(stage.run("get wd a -o jsonpath={.status}").await.ok(), "", "the main endpoint ignores the status");
    stage
        .run("patch wd a --subresource status --type merge -p {\"status\":{\"size\":4},\"spec\":{\"size\":8}}")
        .await
        .ok();
    assert_eq!(
        stage.run("get wd a -o jsonpath={.spec.size}/{.status.size}/{.metadata.generation}").await.ok(),
        "5/4/2"
    );
    let strategic = stage.run("patch wd a -p {\"spec\":{\"size\":4}}").await.refused();
    assert!(strategic.starts_with(
        "error: application/strategic-merge-patch+json is not supported by demo.example.com/v1, Kind=Widget"
    ));
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_definition_takes_its_resources_along() {
    let stage = with_widgets().await;
    stage.feed("create -f -", &widget("size: 3")).await.ok();
    stage.run("delete crd widgets.demo.example.com --timeout=60s").await.ok();
    let gone = stage.run("get --raw /apis/demo.example.com/v1/namespaces/t/widgets").await.refused();
    assert!(gone.contains("the server could not find the requested resource"), "{gone}");
    stage.stop().await;
}
