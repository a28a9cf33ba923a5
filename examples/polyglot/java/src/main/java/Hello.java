// Puts two items into a queue, gets two, then starts a process and waits for it.
import com.google.protobuf.ByteString;
import forkbus.v1.FrameOuterClass.Frame;
import forkbus.v1.ProcessOuterClass.CreateProcessRequest;
import forkbus.v1.ProcessOuterClass.ExecTarget;
import forkbus.v1.ProcessOuterClass.Process;
import forkbus.v1.ProcessOuterClass.ProcessSpec;
import forkbus.v1.ProcessOuterClass.WaitProcessRequest;
import forkbus.v1.ProcessServiceGrpc;
import forkbus.v1.QueueOuterClass.CreateQueueRequest;
import forkbus.v1.QueueOuterClass.GetRequest;
import forkbus.v1.QueueOuterClass.PutRequest;
import forkbus.v1.QueueOuterClass.Queue;
import forkbus.v1.QueueServiceGrpc;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import java.util.List;

final class Hello {
  public static void main(String[] args) {
    var address = System.getenv("FORKBUS_ADDRESS").replaceFirst("^tcp://", ""); // or unix:/path
    var channel =
        Grpc.newChannelBuilder(address, InsecureChannelCredentials.create())
            .overrideAuthority("localhost") // else a socket's path, which HTTP/2 does not allow there
            .build();
    var queues = QueueServiceGrpc.newBlockingStub(channel);
    var processes = ProcessServiceGrpc.newBlockingStub(channel);

    var name = args.length > 0 ? args[0] : "polyglot";
    var queue = Queue.newBuilder().setName(name);
    queues.createQueue(CreateQueueRequest.newBuilder().setQueue(queue).build());

    var frame = Frame.newBuilder();
    for (var text : List.of("hello from java", "goodbye from java")) {
      frame.addItems(ByteString.copyFromUtf8(text));
    }
    queues.put(PutRequest.newBuilder().setQueue(name).setFrame(frame).build());
    var got = queues.get(GetRequest.newBuilder().setQueue(name).setMaxItems(2).build());
    for (var item : got.getFrame().getItemsList()) {
      System.out.println("got " + item.toStringUtf8());
    }

    var exec = ExecTarget.newBuilder().addAllArgv(List.of("/bin/sh", "-c", "exit 7"));
    var process = Process.newBuilder().setSpec(ProcessSpec.newBuilder().setExec(exec));
    var create = CreateProcessRequest.newBuilder().setProcess(process).build();
    var started = processes.createProcess(create).getProcess().getName();
    var wait = WaitProcessRequest.newBuilder().setName(started).build();
    var ended = processes.waitProcess(wait).getProcess();
    System.out.println("exit code " + ended.getStatus().getExit().getExitCode());
    channel.shutdownNow();
  }
}
