import threading

for _ in range(8):
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
