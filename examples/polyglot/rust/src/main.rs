//! Puts two items into a queue, gets two, then starts a process and waits for it.
use std::env;

use pb::process_service_client::ProcessServiceClient;
use pb::queue_service_client::QueueServiceClient;
use pb::{process_spec::Target, *};
use tonic::transport::Endpoint;

mod pb {
    tonic::include_proto!("forkbus.v1");
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = env::var("FORKBUS_ADDRESS")?.replacen("tcp://", "http://", 1); // or unix:/path
    let channel = Endpoint::from_shared(address)?.connect().await?;
    let mut queues = QueueServiceClient::new(channel.clone());
    let mut processes = ProcessServiceClient::new(channel);

    let name = env::args().nth(1).unwrap_or("polyglot".into());
    let queue = Some(Queue { name: name.clone(), ..Default::default() });
    queues.create_queue(CreateQueueRequest { queue }).await?;

    let items = vec!["hello from rust".into(), "goodbye from rust".into()];
    let frame = Some(Frame { items, ..Default::default() });
    queues.put(PutRequest { queue: name.clone(), frame, ..Default::default() }).await?;
    let get = GetRequest { queue: name, max_items: 2, ..Default::default() };
    let got = queues.get(get).await?.into_inner();
    for item in got.frame.unwrap_or_default().items {
        println!("got {}", String::from_utf8(item)?);
    }

    let argv = ["/bin/sh", "-c", "exit 7"].map(String::from).to_vec();
    let target = Some(Target::Exec(ExecTarget { argv, ..Default::default() }));
    let spec = Some(ProcessSpec { target, ..Default::default() });
    let process = Some(Process { spec, ..Default::default() });
    let create = CreateProcessRequest { process, ..Default::default() };
    let created = processes.create_process(create).await?.into_inner().process;
    let wait = WaitProcessRequest { name: created.unwrap_or_default().name, ..Default::default() };
    let ended = processes.wait_process(wait).await?.into_inner().process;
    let exit = ended.and_then(|process| process.status).and_then(|status| status.exit);
    match exit.and_then(|exit| exit.outcome) {
        Some(exit_record::Outcome::ExitCode(code)) => println!("exit code {code}"),
        outcome => println!("no exit code: {outcome:?}"),
    }
    Ok(())
}
