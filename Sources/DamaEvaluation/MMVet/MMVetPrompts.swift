import DamaSupport

extension JudgePrompts {
    /// This library's prompt for MM-Vet.
    static let ownMMVet = JudgePrompts(own: [
        "prompt": """
        Grade a model's answer to a question about an image, by the correct answer. The grade is a number from 0.0 \
        (wrong) to 1.0 (right) in steps of 0.1; an answer that is right in part gets a grade between. Where the \
        correct answer has parts joined by <AND>, all of them are needed, and each has an equal share of the grade. \
        Where it has alternatives joined by <OR>, one of them is enough. Other words, more detail and another form \
        of the same fact do not matter.

        Complete the last line by the grade: a number, and nothing before or after it.

        Question | Correct answer | Answer | Grade
        How many birds are there, and where? | three <AND> on a wire | Three birds sit on a roof. | 0.5
        How many birds are there, and where? | three <AND> on a wire | There are 3 of them on a wire. | 1.0
        What is the animal? | dog <OR> puppy | It is a small puppy. | 1.0
        What is the animal? | dog <OR> puppy | A cat. | 0.0
        """,
        "reminder": "\nThe answer must be a number from 0.0 to 1.0. The grade is: ",
    ])
}

extension OfficialScript {
    /// `mm-vet_evaluator.py`, whose prompts are the same in all versions.
    static let mmvet = OfficialScript(
        name: "mm-vet_evaluator.py", address: "https://github.com/yuweihao/MM-Vet/blob/acde843/mm-vet_evaluator.py",
        versions: [
            Version(
                "c7ff270", "68cfd25dc1c83d9dbf695c86854749083fc3899398ef88ca2d70cea3ddd82cbf",
                ["prompt": 293, "reminder": 10284]),
            Version(
                "7d717c2", "f68b3f8a27c9ae1717095276594810e3af90b16a7a26d62be79c5c08328157b3",
                ["prompt": 278, "reminder": 10265]),
            Version(
                "3cbda72", "0b731713ea9859263b544101f6580d6fc21539e1b22f40933552fcf5acdb7bd0",
                ["prompt": 260, "reminder": 10294]),
            Version(
                "d9fe2d4", "17c0363eb9030a914b364ed777f87e1aee1e265904d080c22e91c4f13eb850e7",
                ["prompt": 260, "reminder": 10294]),
            Version(
                "a7f5af2", "4c1710167111adafaf3bafb32253e1bd037e9151d86b7d97313fc2a18edc1cae",
                ["prompt": 260, "reminder": 10294]),
        ])
}
