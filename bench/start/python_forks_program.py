"""python_forks as an ordinary program: a file, which each worker of multiprocessing runs again as `__mp_main__`."""

if __name__ == "__main__":
    import python_forks

    python_forks.main()
