//! Long-running operations: an answer to a poll in, how far the operation is out.
//!
//! Rules: <https://github.com/cloud-and-ai-microsoft/resource-provider-contract/blob/master/v1.0/async-api-reference.md>

use serde_json::Value;

/// Seconds that are waited where no answer says how long.
pub const DEFAULT_WAIT: u64 = 15;
/// No answer makes us wait longer, in seconds.
const LONGEST_WAIT: u64 = 600;

/// How far an operation is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Not ended.
    Running,
    /// Ended as it was asked for.
    Succeeded,
    /// Ended otherwise.
    Failed {
        /// ARM's code.
        code: String,
        /// ARM's words.
        message: String,
    },
    /// The operation is not known any more: only the resource itself says what became of it.
    Forgotten,
    /// The poll failed, which says nothing about the operation.
    Unknown,
}

/// Reads the answer of an operation's address. `location`: it is that of the result, which answers 202 until it is done.
pub fn progress(location: bool, status: u16, body: &Value) -> Progress {
    match status {
        404 | 410 => return Progress::Forgotten,
        408 | 429 | 500.. => return Progress::Unknown,
        202 if location => return Progress::Running,
        200..=204 if location => return Progress::Succeeded,
        401 | 403 if !location => return Progress::Unknown,
        _ => {}
    }
    let word = body.get("status").and_then(Value::as_str).unwrap_or_default();
    if !location && status < 300 {
        return match word {
            _ if word.eq_ignore_ascii_case("Succeeded") => Progress::Succeeded,
            _ if ["Failed", "Canceled"].iter().any(|end| word.eq_ignore_ascii_case(end)) => failed(body, word),
            // Anything else is on its way; an answer without a status is none.
            "" => Progress::Unknown,
            _ => Progress::Running,
        };
    }
    failed(body, "Failed")
}

fn failed(body: &Value, word: &str) -> Progress {
    let (code, message) = error(body);
    let code = if code.is_empty() { format!("Operation{word}") } else { code };
    Progress::Failed { code, message }
}

/// Code and words of an error: `{"error":{"code","message","details":[…]}}`, or the same without `error`.
pub fn error(body: &Value) -> (String, String) {
    let error = body.get("error").unwrap_or(body);
    let text = |key: &str| error.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    (text("code"), text("message"))
}

/// The innermost code of an error of Key Vault: `error.innererror.code`.
pub fn inner_code(body: &Value) -> &str {
    body.pointer("/error/innererror/code").and_then(Value::as_str).unwrap_or_default()
}

/// Milliseconds to wait for a `Retry-After` header, of which only whole seconds are in use.
pub fn wait(retry_after: Option<&str>, default: u64) -> u64 {
    let seconds = retry_after.and_then(|text| text.trim().parse::<u64>().ok()).unwrap_or(default);
    seconds.min(LONGEST_WAIT) * 1000
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_three_words_end_an_operation() {
        let of = |word: &str| progress(false, 200, &json!({ "status": word }));
        assert_eq!(
            (of("Succeeded"), of("InProgress"), of("Dropping")),
            (Progress::Succeeded, Progress::Running, Progress::Running)
        );
        assert!(matches!(of("Canceled"), Progress::Failed { code, .. } if code == "OperationCanceled"));
        let body = json!({"status": "Failed", "error": {"code": "X", "message": "why"}});
        assert_eq!(progress(false, 200, &body), Progress::Failed { code: "X".into(), message: "why".into() });
    }

    #[test]
    fn a_result_is_there_when_it_is_not_202_any_more_and_a_failed_poll_says_nothing() {
        assert_eq!(progress(true, 202, &Value::Null), Progress::Running);
        assert_eq!(progress(true, 204, &Value::Null), Progress::Succeeded);
        let body = json!({"error": {"code": "C", "message": "m"}});
        assert_eq!(progress(true, 409, &body), Progress::Failed { code: "C".into(), message: "m".into() });
        assert_eq!(progress(false, 503, &Value::Null), Progress::Unknown);
        assert_eq!(progress(false, 404, &Value::Null), Progress::Forgotten);
    }

    #[test]
    fn waits_are_whole_seconds_with_a_limit() {
        assert_eq!((wait(Some("7"), 1), wait(None, 3), wait(Some("soon"), 3)), (7_000, 3_000, 3_000));
        assert_eq!(wait(Some("999999"), 1), 600_000);
    }
}
