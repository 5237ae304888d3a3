"""Do two photos show the same person?   python predict.py -img1 a.jpg -img2 b.jpg"""

from facesim.cli.predict import predict

if __name__ == "__main__":
    predict()
