"""Train the network behind the verdict.   python train.py --data lfw"""

from facesim.cli.train import train

if __name__ == "__main__":
    train()
