"""Puts two items into a queue, gets two, then starts a process and waits for it."""
import os
import sys

import grpc
from forkbus.v1 import process_pb2, process_pb2_grpc, queue_pb2, queue_pb2_grpc

address = os.environ["FORKBUS_ADDRESS"].removeprefix("tcp://")  # or unix:/path
with grpc.insecure_channel(address) as channel:
    queues = queue_pb2_grpc.QueueServiceStub(channel)
    processes = process_pb2_grpc.ProcessServiceStub(channel)

    name = sys.argv[1] if len(sys.argv) > 1 else "polyglot"
    queues.CreateQueue(queue_pb2.CreateQueueRequest(queue={"name": name}))

    items = [b"hello from python", b"goodbye from python"]
    queues.Put(queue_pb2.PutRequest(queue=name, frame={"items": items}))
    got = queues.Get(queue_pb2.GetRequest(queue=name, max_items=2))
    for item in got.frame.items:
        print("got", item.decode())

    spec = {"exec": {"argv": ["/bin/sh", "-c", "exit 7"]}}
    created = processes.CreateProcess(process_pb2.CreateProcessRequest(process={"spec": spec}))
    wait = process_pb2.WaitProcessRequest(name=created.process.name)
    ended = processes.WaitProcess(wait).process
    print("exit code", ended.status.exit.exit_code)
