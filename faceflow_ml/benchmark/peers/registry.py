"""All peers that can be measured."""

from __future__ import annotations

from faceflow_ml.benchmark.peers.base import Peer
from faceflow_ml.benchmark.peers.dlib import DlibDetector, DlibRecognizer
from faceflow_ml.benchmark.peers.insightface import InsightfaceDetector, InsightfaceRecognizer
from faceflow_ml.benchmark.peers.mtcnn import MtcnnDetector
from faceflow_ml.benchmark.peers.opencv import YunetDetector, open_haar

PEERS = (
    Peer("OpenCV Haar cascade", open_haar),
    Peer("OpenCV YuNet", YunetDetector),
    Peer("facenet-pytorch MTCNN", MtcnnDetector),
    Peer("dlib HOG", DlibDetector),
    Peer("dlib HOG + ResNet", recognizer=DlibRecognizer),
    Peer("insightface", InsightfaceDetector, InsightfaceRecognizer),
)
