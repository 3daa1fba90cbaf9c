use super::*;

/// The position of each request with a reply, and 0 or the error number.
type Answers = Vec<(usize, i32)>;

fn send_batch(connection: &mut RequestSocket, count: usize) -> (Result<(), RequestError>, Answers) {
    let mut answers = vec![];
    let result =
        connection.send_batch((0..count).map(|_| link::dump_request()), |position, answer| {
            answers.push((position, answer.err().map_or(0, |error| error.errno)));
        });
    (result, answers)
}

/// Returns the acknowledgements of requests with sequence numbers from `first` on.
fn acks(first: u32, codes: &[i32]) -> Step {
    let mut bytes = codes.iter().map(|code| ack(*code)).collect::<Vec<_>>();
    for (position, ack) in bytes.iter_mut().enumerate() {
        let sequence = first.wrapping_add(u32::try_from(position).unwrap());
        ack[8..12].copy_from_slice(&sequence.to_ne_bytes());
    }
    Step::Datagram { bytes: bytes.concat(), sender: KERNEL_PORT_ID }
}

fn sequences(datagram: &[u8]) -> Vec<u32> {
    frames(datagram).map(|frame| frame.unwrap().sequence).collect()
}

#[test]
fn batch_is_sent_at_once_and_each_request_acknowledged() {
    let script = Script::new([acks(1, &[0; 200]), Step::Silence, acks(201, &[0; 56])]);
    let mut connection = connection(&script);
    connection.transport.set_receive_buffer(1 << 20).unwrap();
    let (result, answers) = send_batch(&mut connection, 256);
    result.unwrap();
    assert_eq!(answers, (0..256).map(|position| (position, 0)).collect::<Answers>());
    assert_eq!((script.sent().len(), script.left()), (1, 0));
    assert_eq!(sequences(&script.sent()[0]), (1..=256).collect::<Vec<u32>>());
    assert!(frames(&script.sent()[0]).all(|frame| frame.unwrap().has(NLM_F_REQUEST | NLM_F_ACK)));
}

#[test]
fn failed_request_does_not_stop_the_batch() {
    let script = Script::new([acks(1, &[0, -2, 0, -19])]);
    let (result, answers) = send_batch(&mut connection(&script), 4);
    result.unwrap();
    assert_eq!(answers, [(0, 0), (1, 2), (2, 0), (3, 19)]);
}

#[test]
fn unrelated_acknowledgements_are_skipped() {
    // Acknowledgements of an earlier request, of the same request again, and of a later request.
    let script = Script::new([acks(4, &[-1]), acks(5, &[0, 0, 0]), acks(7, &[-5]), acks(9, &[0])]);
    let mut connection = connection(&script);
    connection.sequence = 4;
    let (result, answers) = send_batch(&mut connection, 4);
    assert!(matches!(result, Err(RequestError::Timeout(_))), "found {result:?}, expected Timeout");
    assert_eq!(answers, [(0, 0), (1, 0), (2, 0)]);
}

#[test]
fn batch_sequence_number_wraps_around() {
    let script = Script::new([acks(u32::MAX, &[0]), acks(0, &[-2, 0])]);
    let mut connection = connection(&script);
    connection.sequence = u32::MAX - 1;
    let (result, answers) = send_batch(&mut connection, 3);
    result.unwrap();
    assert_eq!(answers, [(0, 0), (1, 2), (2, 0)]);
    assert_eq!(sequences(&script.sent()[0]), [u32::MAX, 0, 1]);
}

#[test]
fn batch_is_split_to_fit_the_receive_buffer() {
    // A receive buffer of 212,992 bytes holds 104 acknowledgements.
    let script = Script::new([
        acks(1, &[0; 104]),
        acks(105, &[0; 104]),
        acks(209, &[0; 41]),
        acks(250, &[-2]),
    ]);
    let (result, answers) = send_batch(&mut connection(&script), 250);
    result.unwrap();
    assert_eq!((answers.len(), answers[249]), (250, (249, 2)));
    assert_eq!(
        script.sent().iter().map(|datagram| sequences(datagram).len()).collect::<Vec<_>>(),
        [104, 104, 42]
    );
}

#[test]
fn batch_is_split_to_fit_a_datagram() {
    let script = Script::new([acks(1, &[0; 512]), acks(513, &[0; 88])]);
    let mut connection = connection(&script);
    connection.transport.set_receive_buffer(4 << 20).unwrap();
    send_batch(&mut connection, 600).0.unwrap();
    assert_eq!(
        script.sent().iter().map(|datagram| sequences(datagram).len()).collect::<Vec<_>>(),
        [512, 88]
    );

    let long = link::get_by_name_request("n".repeat(40_000).as_ref());
    let script = Script::new([acks(1, &[0]), acks(2, &[0]), acks(3, &[0])]);
    connection.transport = Box::new(script.clone());
    connection.sequence = 0;
    connection.send_batch([long.clone(), long.clone(), long], |_, _| {}).unwrap();
    assert_eq!(script.sent().len(), 3);
}

#[test]
fn missing_or_lost_acknowledgement_ends_the_batch() {
    let silent = Script::new([acks(1, &[0, -2])]);
    let (result, answers) = send_batch(&mut connection(&silent), 300);
    assert!(matches!(result, Err(RequestError::Timeout(_))), "found {result:?}, expected Timeout");
    assert_eq!((answers, silent.sent().len()), (vec![(0, 0), (1, 2)], 1));

    let lost =
        Script::new([acks(1, &[0]), Step::Fails(Errno::ENOBUFS), acks(2, &[0]), Step::Silence]);
    let (result, answers) = send_batch(&mut connection(&lost), 3);
    assert!(
        matches!(result, Err(RequestError::Overrun { .. })),
        "found {result:?}, expected Overrun"
    );
    assert_eq!((answers, lost.left()), (vec![(0, 0)], 0));

    let malformed = Script::new([Step::Datagram { bytes: vec![0; 15], sender: KERNEL_PORT_ID }]);
    let (result, answers) = send_batch(&mut connection(&malformed), 3);
    assert!(matches!(result, Err(RequestError::Decode(_))), "found {result:?}, expected Decode");
    assert_eq!(answers, []);
}

#[test]
fn empty_batch_sends_nothing() {
    let script = Script::new([]);
    send_batch(&mut connection(&script), 0).0.unwrap();
    assert_eq!(script.sent().len(), 0);
}
