"""Train the network behind the verdict.   python train.py --data lfw"""

from facesim.cli import run_verb

if __name__ == "__main__":
    run_verb("train")
