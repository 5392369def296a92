//! Images. In: an image's name. Out: whether this node has what is in it, and which version is asked for. Pure.

/// What an image holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Image {
    /// The official image of MySQL, with its tag.
    Mysql(String),
    /// Our own.
    Windlass,
}

/// What is in the image, none where this node does not have it.
pub(super) fn recognise(name: &str) -> Option<Image> {
    let name = name.split('@').next().unwrap_or(name);
    let last = name.rsplit('/').next().unwrap_or(name);
    let (repository, tag) = last.split_once(':').unwrap_or((last, "latest"));
    match repository {
        "mysql" => Some(Image::Mysql(tag.to_owned())),
        "windlass" => Some(Image::Windlass),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_known_by_the_last_part_of_its_name_wherever_it_is_kept() {
        let mysql = |tag: &str| Some(Image::Mysql(tag.to_owned()));
        assert_eq!(recognise("mysql:8.4"), mysql("8.4"));
        assert_eq!(recognise("mysql"), mysql("latest"));
        assert_eq!(recognise("localhost:5000/library/mysql:9.1@sha256:00"), mysql("9.1"));
        assert_eq!(recognise("example.com/team/windlass:0.1.0"), Some(Image::Windlass));
        assert_eq!(recognise("windlass"), Some(Image::Windlass));
        assert_eq!(recognise("mysql-shell:8"), None);
        assert_eq!(recognise("mysql/other:8"), None);
        assert_eq!(recognise(""), None);
    }
}
