//! The kinds of reviews: resources that are created and never stored.

use crate::builtin;
use crate::builtin::strategy::{Builtin, PLAIN};
use crate::resource::Resource;
use std::sync::Arc;

const REVIEWS: [(&str, &str, &str, bool); 6] = [
    ("authorization.k8s.io", "SelfSubjectAccessReview", "selfsubjectaccessreviews", false),
    ("authorization.k8s.io", "SelfSubjectRulesReview", "selfsubjectrulesreviews", false),
    ("authorization.k8s.io", "SubjectAccessReview", "subjectaccessreviews", false),
    ("authorization.k8s.io", "LocalSubjectAccessReview", "localsubjectaccessreviews", true),
    ("authentication.k8s.io", "SelfSubjectReview", "selfsubjectreviews", false),
    ("authentication.k8s.io", "TokenReview", "tokenreviews", false),
];

/// The resources of reviews.
pub(crate) fn resources() -> Vec<Resource> {
    REVIEWS
        .into_iter()
        .map(|(group, kind, plural, namespaced)| {
            let openapi_name = format!("io.k8s.api.{}.v1.{kind}", group.split('.').next().unwrap_or(""));
            let schema = builtin::schema(&openapi_name).unwrap_or_default();
            Resource {
                group: group.to_owned(),
                version: "v1".to_owned(),
                kind: kind.to_owned(),
                list_kind: format!("{kind}List"),
                plural: plural.to_owned(),
                singular: kind.to_lowercase(),
                short_names: Vec::new(),
                categories: Vec::new(),
                namespaced,
                verbs: vec!["create".to_owned()],
                status: false,
                scale: None,
                strategy: Arc::new(Builtin { schema: schema.clone(), rules: &PLAIN }),
                schema,
                columns: Vec::new(),
                selectable_fields: Vec::new(),
                custom: false,
                storage_version: true,
                openapi_name,
            }
        })
        .collect()
}
