"""Do two photos show the same person?   python predict.py -img1 a.jpg -img2 b.jpg"""

from facesim.cli import run_verb

if __name__ == "__main__":
    run_verb("predict")
