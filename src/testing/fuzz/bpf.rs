use crate::bpf::{BpfInstruction, BpfProgram};

/// Runs a program to its end if the crate accepts it, by the rules of `linux/filter.h`, not by the
/// crate's own. The input is the program's bytes and one byte that decides the conditions.
pub(super) fn program(bytes: &[u8]) {
    let (bytes, ways) = bytes.split_at(bytes.len() - bytes.len() % 8);
    let Ok(program) = BpfProgram::from_bytes(bytes) else { return };
    assert_eq!(program.to_bytes(), bytes);
    let listing = program.to_string();
    assert_eq!(listing.lines().count(), program.instructions().len());
    assert!(!listing.contains("unimp"));
    run(program.instructions(), ways.first().copied().unwrap_or_default());
}

/// Follows one path through a program. The bits of `ways` decide one condition after the other, then
/// again from the first bit.
fn run(program: &[BpfInstruction], mut ways: u8) {
    let (mut next, mut written) = (0_usize, 0_u16);
    loop {
        let instruction = program.get(next);
        assert!(instruction.is_some(), "it goes to {next}, outside the program");
        let Some(&BpfInstruction { code, jt, jf, k }) = instruction else { return };
        next += 1;
        match (code & 0x07, code & 0xf0) {
            (0 | 1, 0x60) => {
                assert!(k < 16 && written & 1 << k != 0, "{next}: it reads what it did not write");
            }
            (2 | 3, _) => {
                assert!(k < 16, "{next}: there is no such word");
                written |= 1 << k;
            }
            (4, 0x30 | 0x90) if code & 0x08 == 0 => assert!(k != 0, "{next}: it divides by 0"),
            (5, 0x00) => next += usize::try_from(k).unwrap_or(usize::MAX - next),
            (5, _) => {
                next += usize::from(if ways & 1 == 1 { jt } else { jf });
                ways = ways.rotate_right(1);
            }
            (6, _) => return,
            _ => {}
        }
    }
}
