//! Generates the stubs, without needing a protoc.
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../proto");
    println!("cargo::rerun-if-changed={root}/forkbus");
    let files = protox::compile(["forkbus/v1/process.proto", "forkbus/v1/queue.proto"], [root])?;
    tonic_prost_build::configure().build_server(false).compile_fds(files)?;
    Ok(())
}
