//! What the daemon says on standard error. Nobody may be left to read it, and the team is not to suffer from that.

macro_rules! say {
    ($($words:tt)*) => {
        drop(std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{}\n", format_args!($($words)*))))
    };
}

pub(crate) use say;
