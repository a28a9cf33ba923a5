// Puts two items into a queue, gets two, then starts a process and waits for it.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	pb "forkbus.example/hello/forkbus/v1"
)

func main() {
	address := strings.TrimPrefix(os.Getenv("FORKBUS_ADDRESS"), "tcp://") // or unix:/path
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	check(err)
	defer conn.Close()
	queues, processes := pb.NewQueueServiceClient(conn), pb.NewProcessServiceClient(conn)
	ctx := context.Background()

	name := "polyglot"
	if len(os.Args) > 1 {
		name = os.Args[1]
	}
	_, err = queues.CreateQueue(ctx, &pb.CreateQueueRequest{Queue: &pb.Queue{Name: name}})
	check(err)

	items := [][]byte{[]byte("hello from go"), []byte("goodbye from go")}
	_, err = queues.Put(ctx, &pb.PutRequest{Queue: name, Frame: &pb.Frame{Items: items}})
	check(err)
	got, err := queues.Get(ctx, &pb.GetRequest{Queue: name, MaxItems: 2})
	check(err)
	for _, item := range got.Frame.Items {
		fmt.Printf("got %s\n", item)
	}

	exec := &pb.ProcessSpec_Exec{Exec: &pb.ExecTarget{Argv: []string{"/bin/sh", "-c", "exit 7"}}}
	process := &pb.Process{Spec: &pb.ProcessSpec{Target: exec}}
	created, err := processes.CreateProcess(ctx, &pb.CreateProcessRequest{Process: process})
	check(err)
	ended, err := processes.WaitProcess(ctx, &pb.WaitProcessRequest{Name: created.Process.Name})
	check(err)
	fmt.Println("exit code", ended.Process.Status.Exit.GetExitCode())
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
