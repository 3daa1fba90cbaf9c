//! The check of BPF programs accepts exactly the programs that the kernel accepts.

use libteam::bpf::{BpfError, BpfInstruction, BpfProgram};
use libteam::{Error, Mode, OptionId, TeamHandle};

use crate::support::netns::{dummies, enter, index};
use crate::support::snapshot::assert_matches_kernel;

const RETURN_A: BpfInstruction = BpfInstruction::stmt(0x16, 0);

fn team() -> TeamHandle {
    let mut team = TeamHandle::create("team0").unwrap();
    team.set_mode(Mode::LoadBalance).unwrap();
    team
}

fn option() -> OptionId {
    OptionId::global("bpf_hash_func")
}

fn bytes(program: &[BpfInstruction]) -> Vec<u8> {
    let one = |each: &BpfInstruction| {
        [&each.code.to_ne_bytes()[..], &[each.jt, each.jf], &each.k.to_ne_bytes()].concat()
    };
    program.iter().flat_map(one).collect()
}

/// Returns a program of this many instructions.
fn long(count: usize) -> Vec<BpfInstruction> {
    let mut program = vec![BpfInstruction::stmt(0x00, 7); count - 1];
    program.push(RETURN_A);
    program
}

/// Panics unless check and kernel agree on a program.
fn assert_agreed(team: &mut TeamHandle, program: &[BpfInstruction]) {
    let checked = BpfProgram::new(program);
    let bytes = bytes(program);
    assert_eq!(BpfProgram::from_bytes(&bytes), checked);
    // An option value of bytes is sent unchecked.
    match (&checked, team.set_option(&option(), bytes)) {
        (Ok(program), Ok(())) => assert_eq!(team.bpf_hash_func(), Ok(Some(program.clone()))),
        (Err(_), Err(Error::Kernel { errno, .. })) => assert_eq!(errno, 22),
        (_, reply) => panic!("check: {checked:?}\nkernel: {reply:?}\n{program:?}"),
    }
}

#[test]
fn check_agrees_on_every_opcode_and_operand_limit() {
    enter();
    let mut team = team();
    // The word of scratch memory that is read is written before.
    let write = BpfInstruction::stmt(0x02, 3);
    for code in (0..=0xff).chain([0x100, 0x120, 0x8000, 0xffff]) {
        for k in [0, 1, 3, 15, 16, 31, 32, u32::MAX] {
            assert_agreed(&mut team, &[write, BpfInstruction::stmt(code, k), RETURN_A, RETURN_A]);
        }
        for (jt, jf) in [(1, 0), (0, 1), (2, 0), (0, 2), (255, 0)] {
            let jump = BpfInstruction::jump(code, 1, jt, jf);
            assert_agreed(&mut team, &[write, jump, RETURN_A, RETURN_A]);
        }
        // As the last instruction.
        assert_agreed(&mut team, &[write, BpfInstruction::stmt(code, 3)]);
    }
}

#[test]
fn check_agrees_on_ancillary_loads() {
    enter();
    let mut team = team();
    for code in [0x20, 0x28, 0x30, 0x40, 0xb1] {
        for k in
            (0xffff_effc..0xffff_f050).chain([0x7fff_ffff, 0x8000_0000, 0xfff0_0000, 0xffff_fffc])
        {
            assert_agreed(&mut team, &[BpfInstruction::stmt(code, k), RETURN_A]);
        }
    }
}

#[test]
fn check_agrees_on_scratch_memory_paths() {
    enter();
    let mut team = team();
    let (write, read) = (BpfInstruction::stmt(0x02, 5), BpfInstruction::stmt(0x60, 5));
    let read_to_x = BpfInstruction::stmt(0x61, 5);
    let write_x = BpfInstruction::stmt(0x03, 5);
    let branch = |jt, jf| BpfInstruction::jump(0x15, 1, jt, jf);
    let skip = |k| BpfInstruction::stmt(0x05, k);
    let done = BpfInstruction::stmt(0x06, 1);
    let programs: [&[BpfInstruction]; 14] = [
        &[read],
        &[read_to_x],
        &[write, read],
        &[write_x, read_to_x],
        &[write, BpfInstruction::stmt(0x60, 6)],
        &[branch(0, 1), write, read],
        &[branch(1, 0), write, read],
        &[branch(0, 2), write, skip(1), write_x, read],
        &[branch(0, 2), write, skip(1), done, read],
        &[branch(0, 1), done, read],
        &[write, branch(0, 1), done, read],
        &[skip(1), read, done],
        &[skip(1), write, read],
        &[done, read],
    ];
    for program in programs {
        assert_agreed(&mut team, &[program, &[RETURN_A]].concat());
    }
}

#[test]
fn longest_program_leaves_options_readable() {
    enter();
    let names: Vec<String> = (1..=8).map(|number| format!("eth{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    dummies(&names);
    let mut team = team();
    for name in &names {
        team.add_port(index(name)).unwrap();
    }
    let mut other = TeamHandle::open("team0").unwrap();
    let program = BpfProgram::new(long(BpfProgram::MAX_INSTRUCTIONS)).unwrap();
    team.set_bpf_hash_func(&program).unwrap();
    team.refresh().unwrap();
    assert_eq!(team.bpf_hash_func(), Ok(Some(program)));
    assert_matches_kernel(&team);

    // The event about the cleared option is slightly longer than the reply to a query.
    for name in &names {
        team.remove_port(index(name)).unwrap();
    }
    other.handle_events().unwrap();
    assert!(other.option(&option()).is_some());
    team.set_mode(Mode::RoundRobin).unwrap();
    assert!(!other.handle_events().unwrap().is_resynced());
    assert!(other.option(&option()).is_none());
}

#[test]
fn too_long_program_is_refused_without_a_request() {
    enter();
    let mut team = team();
    let short = BpfProgram::new(long(2)).unwrap();
    team.set_bpf_hash_func(&short).unwrap();
    team.handle_events().unwrap();
    for count in [463, 464, 500, 4096, 4097, 8000] {
        let error = BpfProgram::new(long(count)).unwrap_err();
        let kernel_takes_it = count <= 4096;
        assert_eq!(matches!(error, BpfError::TooLargeForDriver { .. }), kernel_takes_it, "{error}");
        assert_eq!(
            matches!(error, BpfError::TooLargeForKernel { .. }),
            !kernel_takes_it,
            "{error}"
        );
        let error = team.set_option(&option(), bytes(&long(count))).unwrap_err();
        assert!(matches!(error, Error::OptionValue { .. }), "expected OptionValue: {error}");
    }
    // No event arrived, not even one of the handle's own change.
    assert_eq!(team.handle_events().unwrap(), libteam::Changes::default());
    team.refresh().unwrap();
    assert_eq!(team.bpf_hash_func(), Ok(Some(short)));
}
