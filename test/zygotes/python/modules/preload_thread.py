import threading

threading.Thread(target=threading.Event().wait, name="busy-bee", daemon=True).start()
