// Puts two items into a queue, gets two, then starts a process and waits for it.
#include <cstdlib>
#include <iostream>
#include <stdexcept>

#include <grpcpp/grpcpp.h>

#include "forkbus/v1/process.grpc.pb.h"
#include "forkbus/v1/queue.grpc.pb.h"

using namespace forkbus::v1;

/// One unary call; a status other than OK becomes an exception.
template <typename Stub, typename Service, typename Request, typename Response>
Response call(Stub& stub, grpc::Status (Service::*method)(grpc::ClientContext*, const Request&, Response*), const Request& request) {
  grpc::ClientContext context;
  Response response;
  grpc::Status status = (stub.*method)(&context, request, &response);
  if (!status.ok()) throw std::runtime_error(status.error_message());
  return response;
}

int main(int argc, char** argv) {
  std::string address = std::getenv("FORKBUS_ADDRESS");  // unix:/path or tcp://host:port
  if (address.rfind("tcp://", 0) == 0) address.erase(0, 6);
  auto channel = grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
  QueueService::Stub queues(channel);
  ProcessService::Stub processes(channel);

  CreateQueueRequest create;
  create.mutable_queue()->set_name(argc > 1 ? argv[1] : "polyglot");
  std::string queue = call(queues, &QueueService::Stub::CreateQueue, create).queue().name();

  PutRequest put;
  put.set_queue(queue);
  put.mutable_frame()->add_items("hello from c++");
  put.mutable_frame()->add_items("goodbye from c++");
  call(queues, &QueueService::Stub::Put, put);

  GetRequest get;
  get.set_queue(queue);
  get.set_max_items(2);
  GetResponse got = call(queues, &QueueService::Stub::Get, get);
  for (const auto& item : got.frame().items()) std::cout << "got " << item << "\n";

  CreateProcessRequest start;
  auto* exec = start.mutable_process()->mutable_spec()->mutable_exec();
  for (auto* arg : {"/bin/sh", "-c", "exit 7"}) exec->add_argv(arg);
  WaitProcessRequest wait;
  wait.set_name(call(processes, &ProcessService::Stub::CreateProcess, start).process().name());
  auto ended = call(processes, &ProcessService::Stub::WaitProcess, wait).process();
  std::cout << "exit code " << ended.status().exit().exit_code() << "\n";
}
