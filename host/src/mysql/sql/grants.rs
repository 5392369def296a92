//! Privileges: those that an item wants and what `SHOW GRANTS` prints in, the difference as statements out. Pure.

use super::statement::{Statement, account};
use model::redact::Redacted;
use std::collections::{BTreeMap, BTreeSet};

/// Privileges by level. The level is `*.*`, `` `db`.* `` or `` `db`.`table` ``.
pub type Grants = BTreeMap<String, BTreeSet<String>>;

const ALL: &str = "ALL PRIVILEGES";
const GRANT_OPTION: &str = "GRANT OPTION";
/// No privilege: `SHOW GRANTS` prints it for an account that has none.
const USAGE: &str = "USAGE";
const EVERYWHERE: &str = "*.*";

/// Why a wish for privileges is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{}\" is not a privilege with its level; write it as SELECT ON *.*", .0.escape_debug())]
pub struct NoGrant(pub String);

/// Reads what an item wants: `SELECT, INSERT ON app.*`, `ALL ON app.* WITH GRANT OPTION`.
pub fn wanted(grants: &[String]) -> Result<Grants, NoGrant> {
    let mut all = Grants::new();
    for grant in grants {
        let (level, privileges) = one(grant).ok_or_else(|| NoGrant(model::text::bounded(grant, 100)))?;
        all.entry(level).or_default().extend(privileges);
    }
    for privileges in all.values_mut() {
        privileges.remove(USAGE);
        if privileges.contains(ALL) {
            privileges.retain(|name| name == ALL || name == GRANT_OPTION);
        }
    }
    all.retain(|_, privileges| !privileges.is_empty());
    Ok(all)
}

/// Reads what `SHOW GRANTS` prints. What is understood only in part (roles, proxies, columns) is left out.
pub fn granted(lines: &[String]) -> Grants {
    let mut all = Grants::new();
    for line in lines {
        let Some(rest) = line.strip_prefix("GRANT ") else { continue };
        let Some((grant, tail)) = rest.rsplit_once(" TO ") else { continue };
        let option = if tail.ends_with(" WITH GRANT OPTION") { " WITH GRANT OPTION" } else { "" };
        if let Some((level, privileges)) = one(&format!("{grant}{option}")) {
            all.entry(level).or_default().extend(privileges);
        }
    }
    all.values_mut().for_each(|privileges| {
        privileges.remove(USAGE);
    });
    all.retain(|_, privileges| !privileges.is_empty());
    all
}

/// Replaces `ALL` on `*.*` by what that means on a server whose privileges these are (`SHOW PRIVILEGES`).
pub fn expanded(mut grants: Grants, privileges: &[String]) -> Grants {
    if let Some(everywhere) = grants.get_mut(EVERYWHERE)
        && everywhere.remove(ALL)
    {
        let names = privileges.iter().map(|name| name.to_ascii_uppercase());
        everywhere.extend(names.filter(|name| !matches!(name.as_str(), USAGE | GRANT_OPTION | "PROXY")));
    }
    grants
}

/// Whether `ALL` on `*.*` is wanted, which has to be expanded before it is compared.
pub fn needs_expansion(grants: &Grants) -> bool {
    grants.get(EVERYWHERE).is_some_and(|privileges| privileges.contains(ALL))
}

/// Statements that lead from one to the other: what is missing is granted before what is too much is revoked.
pub fn difference(user: &str, has: &Grants, wants: &Grants) -> Vec<Statement> {
    let none = BTreeSet::new();
    let mut statements = Vec::new();
    for (level, wanted) in wants {
        let missing: BTreeSet<_> = wanted.difference(has.get(level).unwrap_or(&none)).map(String::as_str).collect();
        if missing.is_empty() {
            continue;
        }
        let (options, plain): (Vec<&str>, Vec<&str>) = missing.into_iter().partition(|name| *name == GRANT_OPTION);
        // `ALL` stands alone.
        let list = match plain.as_slice() {
            [] => USAGE.to_owned(),
            plain if plain.contains(&ALL) => ALL.to_owned(),
            plain => plain.join(", "),
        };
        let option = if options.is_empty() { "" } else { " WITH GRANT OPTION" };
        let text = format!("GRANT {list} ON {level} TO {}{option}", account(user));
        statements.push(Statement { what: "grant privileges to an account", text: Redacted::new(text) });
    }
    for (level, held) in has {
        let surplus: Vec<&str> = held.difference(wants.get(level).unwrap_or(&none)).map(String::as_str).collect();
        // `ALL` has to be taken apart from the right to grant.
        let apart = surplus.contains(&ALL) && surplus.contains(&GRANT_OPTION);
        let lists = if apart { vec![ALL.to_owned(), GRANT_OPTION.to_owned()] } else { vec![surplus.join(", ")] };
        for list in lists.into_iter().filter(|list| !list.is_empty()) {
            let text = format!("REVOKE {list} ON {level} FROM {}", account(user));
            statements.push(Statement { what: "revoke privileges of an account", text: Redacted::new(text) });
        }
    }
    statements
}

/// One grant: `PRIVILEGES ON LEVEL [WITH GRANT OPTION]`.
fn one(grant: &str) -> Option<(String, BTreeSet<String>)> {
    let upper = grant.to_ascii_uppercase();
    // Both texts have the same length: only ASCII letters were changed.
    let (end, option) = match upper.strip_suffix(" WITH GRANT OPTION") {
        Some(rest) => (rest.len(), true),
        None => (grant.len(), false),
    };
    let at = upper.get(..end)?.find(" ON ")?;
    let mut privileges = BTreeSet::new();
    for name in upper.get(..at)?.split(',') {
        let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
        let plain =
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_' || byte == b' ');
        if !plain {
            return None;
        }
        privileges.insert(if name == "ALL" { ALL.to_owned() } else { name });
    }
    if option {
        privileges.insert(GRANT_OPTION.into());
    }
    Some((level(grant.get(at + 4..end)?.trim())?, privileges))
}

/// A level with quoted names.
fn level(text: &str) -> Option<String> {
    let (database, rest) = name(text)?;
    let (table, end) = name(rest.strip_prefix('.')?)?;
    if !end.is_empty() || (database == "*" && table != "*") {
        return None;
    }
    let show = |name: String| if name == "*" { name } else { format!("`{}`", name.replace('`', "``")) };
    Some(format!("{}.{}", show(database), show(table)))
}

/// One name, with or without backticks, and what comes after it.
fn name(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('`') else {
        let end = text.find('.').unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        let plain =
            name == "*" || (!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
        return plain.then(|| (name.to_owned(), rest));
    };
    let mut name = String::new();
    let mut characters = quoted.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        match (character, characters.peek()) {
            ('`', Some((_, '`'))) => {
                characters.next();
                name.push('`');
            }
            ('`', _) => return quoted.get(at + 1..).filter(|_| !name.is_empty()).map(|rest| (name, rest)),
            _ => name.push(character),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn texts(list: &[&str]) -> Vec<String> {
        list.iter().map(|text| (*text).to_owned()).collect()
    }

    fn statements(has: &[&str], wants: &[&str]) -> Vec<String> {
        let statements = difference("u", &granted(&texts(has)), &wanted(&texts(wants)).unwrap());
        statements.iter().map(|statement| statement.text.expose().clone()).collect()
    }

    #[test]
    fn what_a_server_prints_is_what_was_wanted() {
        let printed = [
            "GRANT SELECT, RELOAD, REPLICATION CLIENT ON *.* TO `u`@`%`",
            "GRANT BACKUP_ADMIN,CLONE_ADMIN ON *.* TO `u`@`%`",
            "GRANT ALL PRIVILEGES ON `app`.* TO `u`@`%` WITH GRANT OPTION",
        ];
        let wants = [
            "SELECT ON *.*",
            "reload, replication client, clone_admin, backup_admin on *.*",
            "ALL ON app.* WITH GRANT OPTION",
        ];
        assert_eq!(statements(&printed, &wants), Vec::<String>::new());
    }

    #[test]
    fn what_is_missing_is_granted_before_what_is_too_much_is_revoked() {
        let printed = ["GRANT USAGE ON *.* TO `u`@`%`", "GRANT SELECT, DROP ON `a``b`.`t` TO `u`@`%`"];
        let made = statements(&printed, &["SELECT ON `a``b`.t", "PROCESS ON *.*"]);
        assert_eq!(made, ["GRANT PROCESS ON *.* TO 'u'@'%'", "REVOKE DROP ON `a``b`.`t` FROM 'u'@'%'"]);
    }

    #[test]
    fn f2_a_wish_that_is_no_privilege_is_refused() {
        for wish in [
            "SELECT",
            "SELECT ON",
            "SELECT ON *.*; DROP USER root",
            "SELECT(a) ON b.c",
            "X' ON *.*",
            "S ON *.a",
            "S ON `a.b",
            "",
        ] {
            assert!(wanted(&[wish.into()]).is_err(), "{wish}");
        }
    }

    #[test]
    fn all_privileges_of_a_level_are_granted_and_revoked_by_themselves() {
        let made = statements(&["GRANT ALL PRIVILEGES ON `a`.* TO `u`@`%` WITH GRANT OPTION"], &["ALL, DROP ON b.*"]);
        assert_eq!(
            made,
            [
                "GRANT ALL PRIVILEGES ON `b`.* TO 'u'@'%'",
                "REVOKE ALL PRIVILEGES ON `a`.* FROM 'u'@'%'",
                "REVOKE GRANT OPTION ON `a`.* FROM 'u'@'%'"
            ]
        );
    }

    #[test]
    fn all_privileges_everywhere_are_those_that_the_server_knows() {
        let wants = wanted(&["ALL ON *.*".into()]).unwrap();
        assert!(needs_expansion(&wants));
        let expanded = expanded(wants, &texts(&["Select", "Usage", "Grant option", "BACKUP_ADMIN", "Proxy"]));
        assert_eq!(expanded["*.*"].iter().map(String::as_str).collect::<Vec<_>>(), ["BACKUP_ADMIN", "SELECT"]);
    }
}
